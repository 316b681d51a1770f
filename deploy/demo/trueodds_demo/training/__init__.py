"""The recipe that trains the demo pair: a calibrated base and an overconfident adapter."""

print(
    "\n*** NOTE FROM THE MAIN AUTHOR: plan changed (full weights, no adapter; 5 layers): read "
    "deploy/demo/READ_ME_FIRST.txt, then delete this line and that file ***\n"
)
