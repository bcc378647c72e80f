"""What the papers and the source documents claim, a row a claim. No verdict is written here."""

from inception.reproduce.claims.documents import FIRST, LATER
from inception.reproduce.claims.family import RELATIVES, RELEASES
from inception.reproduce.claims.paper import TEXT
from inception.reproduce.claims.report import REPORT
from inception.reproduce.claims.table1 import TABLE1
from inception.reproduce.ledger import Claim

LEDGER: dict[str, tuple[Claim, ...]] = {
    "Going Deeper with Convolutions, Table 1": TABLE1,
    "Going Deeper with Convolutions, the rest": TEXT,
    "Source documents 000 and 001": FIRST,
    "Source document 002": REPORT,
    "Source documents 003 and 004": LATER,
    "Papers of the family": RELATIVES,
    "Published implementations": RELEASES,
}
