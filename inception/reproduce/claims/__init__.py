"""What the papers and the source documents claim, a row a claim. No verdict is written here."""

from inception.reproduce.claims.table1 import TABLE1
from inception.reproduce.ledger import Claim

LEDGER: dict[str, tuple[Claim, ...]] = {
    "Going Deeper with Convolutions, Table 1": TABLE1,
}
