"""What every room needs: arrays checked, option scores and the distributions made of them."""
