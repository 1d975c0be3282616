"""A school's exports become the canonical CSV files that pipeline.school reads, as versions that can be taken back."""
