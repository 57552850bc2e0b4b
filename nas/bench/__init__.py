"""Comparing networks on this machine.

    duel         two networks against each other, over fresh processes, until the verdict is sound: `nas.duel`
    pair         what one of these processes does: builds both, times them alternately
    alternation  the alternating itself
    verdict      what may be said after so many processes; `signed_rank` and `looks` are its arithmetic
    duel_result  what a duel answers
    duel_text    that for a terminal
"""
