"""The failover story: three regions, one law, public DNS, and every controller dead."""
