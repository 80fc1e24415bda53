"""Who the hosts are and how to reach them: inventories read, selected from and explained."""
