"""Links through a third member, where two gateways cannot reach each other."""
