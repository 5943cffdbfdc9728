"""Registering a standing query: what its fields may be."""

from collections.abc import Sequence

from grounding.errors import SensitivityError
from grounding.query_record import QueryRecord, Sensitivity
from grounding.query_text import check_text

_MOST_ALERTS_PER_DAY = 43_200  # one for every clip


def check_query_text(text: str) -> str:
    """The text, tidied; raises QueryTextError if it cannot be watched for."""
    return check_text(text).text


def check_sensitivity(sensitivity: Sensitivity) -> Sensitivity:
    """The sensitivity; raises SensitivityError unless it says one thing, and one that can be."""
    budget, threshold = sensitivity.alerts_per_day, sensitivity.threshold
    if (budget is None) == (threshold is None):
        raise SensitivityError(
            "'sensitivity' needs 'alerts_per_day' or 'threshold': exactly one of the two."
        )
    if budget is not None and not 0 < budget <= _MOST_ALERTS_PER_DAY:
        raise SensitivityError(
            f"'alerts_per_day' is {budget:g}: give a number above 0, at most "
            f"{_MOST_ALERTS_PER_DAY} (one for every clip)."
        )
    if threshold is not None and not 0 < threshold < 1:
        raise SensitivityError(
            f"'threshold' is {threshold:g}: a probability lies between 0 and 1, without these."
        )
    return sensitivity


def text_warnings(query: QueryRecord) -> Sequence[str]:
    """What the author of a query should be told of its texts."""
    texts = (query.text, *query.negatives)
    return list(dict.fromkeys(warning for text in texts for warning in check_text(text).warnings))
