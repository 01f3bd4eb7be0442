"""The law: candidates -> shares, with reasons. Pure, integers only, the same in every program."""
