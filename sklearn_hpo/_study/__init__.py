"""The study: the loop where optimizer, scheduler, executor and evaluation meet."""
