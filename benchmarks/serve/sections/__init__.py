"""What is measured: each module has TITLE, `measure(options)` for one round and `report(rounds)` for all of them."""
