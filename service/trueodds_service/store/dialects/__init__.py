"""What each kind of database needs: connections, transactions, and what its errors mean."""

# Execution option of a connection whose transactions write.
WRITES = "trueodds_writes"
