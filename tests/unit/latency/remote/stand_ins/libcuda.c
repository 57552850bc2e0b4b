/* A stand-in for CUDA's driver with one device, whose memory is the host's: what `nas.latency.remote.worker` calls of it.

   A graph is a list of functions that `stand_in_launch` was given while its stream was captured.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void (*work_t)(void);
typedef struct { int size; work_t work[512]; } graph_t;

static graph_t *capturing;
static long allocated;

int cuInit(unsigned flags) { return flags; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetUuid(unsigned char *uuid, int device) { for (int i = 0; i < 16; i++) uuid[i] = i + device; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Stand-in", size); return device; }
int cuDeviceTotalMem_v2(size_t *size, int device) { *size = (size_t)64 << 20; return device; }
int cuDeviceGetAttribute(int *value, int which, int device) { *value = which == 75 ? 8 : 7; return device; }
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuGetErrorString(int status, const char **text) { (void)status; *text = "stand-in error"; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = &allocated; return device; }
int cuCtxSetCurrent(void *context) { return context != &allocated; }
int cuStreamCreate(void **stream, unsigned flags) { *stream = malloc(1); return flags != 1; }
int cuStreamSynchronize(void *stream) { return capturing || !stream; }

int cuMemAlloc_v2(uint64_t *address, size_t size) {
    if (size > (size_t)64 << 20) return 2;
    *address = (uint64_t)(uintptr_t)malloc(size);
    allocated++;
    return 0;
}
int cuMemFree_v2(uint64_t address) { free((void *)(uintptr_t)address); allocated--; return 0; }
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) { memcpy((void *)(uintptr_t)to, from, size); return 0; }
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size) { memcpy(to, (void *)(uintptr_t)from, size); return 0; }

int cuEventCreate(void **event, unsigned flags) { *event = malloc(sizeof(struct timespec)); return flags; }
int cuEventRecord(void *event, void *stream) { clock_gettime(CLOCK_MONOTONIC, event); return !stream; }
int cuEventSynchronize(void *event) { return !event; }
int cuEventElapsedTime(float *ms, struct timespec *begin, struct timespec *end) {
    *ms = (end->tv_sec - begin->tv_sec) * 1e3f + (end->tv_nsec - begin->tv_nsec) / 1e6f;
    return 0;
}

int cuStreamBeginCapture_v2(void *stream, int mode) { capturing = calloc(1, sizeof(graph_t)); return mode != 2 || !stream; }
int cuStreamEndCapture(void *stream, graph_t **graph) { *graph = capturing; capturing = NULL; return !stream; }
int cuGraphInstantiateWithFlags(graph_t **ready, graph_t *graph, unsigned long long flags) {
    *ready = malloc(sizeof(graph_t));
    **ready = *graph;
    return flags != 0;
}
int cuGraphDestroy(graph_t *graph) { free(graph); return 0; }
int cuGraphExecDestroy(graph_t *graph) { free(graph); return 0; }
int cuGraphLaunch(graph_t *graph, void *stream) {
    for (int i = 0; i < graph->size; i++) graph->work[i]();
    return !stream;
}

/* What a kernel's launch is: done at once, or later where the stream is captured. */
void stand_in_launch(work_t work) {
    if (capturing) capturing->work[capturing->size++] = work;
    else work();
}
long stand_in_allocated(void) { return allocated; }
