"""Networks on this machine: how fast they are, how near to what the device can do, beside what others published.

    request    what is asked for, and what that means on the device, checked before anything is measured
    jobs       what the worker's process does: checks, the roofs, one network
    roofline   what the device reaches on a matrix product and a copy, and the arithmetic of a roofline
    budget     how the seconds of one network are shared out among its measurements
    published  torchvision's own figures
    result     what came of it, as values
    networks   all of it, in order, network by network
    bar        progress for a person
    table, page, picture, files   a terminal, Markdown, its picture, CSV and JSON
    split, stages   a network's time, stage by stage

    duel         two networks against each other, over fresh processes, until the verdict is sound: `nas.duel`
    limits       when it ends without one, and how small a difference is none
    pair         what one of these processes does: builds both, times them alternately
    alternation  the alternating itself
    verdict      what may be said after so many processes; `signed_rank` and `looks` are its arithmetic
    duel_result  what a duel answers
    duel_text    that for a terminal
"""
