"""What makes two things equal, asked in three ways.

- ``values``: are two values of a parameter the same choice? By content and type, so
  that no candidate is tried twice.
- ``fits``: will two transformers fit in the same way? Only where that is sure, as one
  is taken in place of the other.
- ``description``, ``code``: is this the search that a checkpoint was written by? By
  texts that are equal in every process, and as stable as what they describe.
"""
