"""The `isthmus` command. Importing a command is cheap; what it needs is imported when it runs."""
