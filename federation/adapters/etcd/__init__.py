"""etcd 3.4 and later as the store of a controller."""
