"""Damaged files for the library's readers: made by number, read in processes of their own, judged by one rule.

`target` says what a reader is, `mutators` damage bytes, `judge` reads one file and says what came of it, `engine` reads
many. Each module `reader_NAME` holds a TARGET: `python benchmarks/fuzz_readers.py --reader NAME`.
"""
