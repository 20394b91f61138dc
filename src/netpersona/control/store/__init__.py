"""What keeps the manager's state: the contract of any store, SQLite, one without a disk, and what is kept."""
