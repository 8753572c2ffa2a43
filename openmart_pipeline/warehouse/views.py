"""All views of the warehouse, in the order in which they build on each other.

Lives here: the list. Each is defined, with its SQL and the comment on every column, in the module it is about.
"""

from openmart_pipeline.warehouse.coverage_view import COMPANY_COVERAGE
from openmart_pipeline.warehouse.file_columns import CONTACTS_WITH_COLUMNS
from openmart_pipeline.warehouse.people_views import (
    BEST_CONTACTS,
    CALL_LIST,
    CONTACT_DIRECTORY,
    CONTACT_PERSONS,
    EMAIL_LIST,
    PEOPLE,
)
from openmart_pipeline.warehouse.work_views import (
    COMPANIES_WITHOUT_CONTACTS,
    COST_PER_USABLE_CONTACT,
    DUE_FOR_REFRESH,
    LINEAGE,
)

VIEWS = (
    COMPANY_COVERAGE,
    CONTACT_PERSONS,
    PEOPLE,
    CONTACT_DIRECTORY,
    BEST_CONTACTS,
    CALL_LIST,
    EMAIL_LIST,
    CONTACTS_WITH_COLUMNS,
    COMPANIES_WITHOUT_CONTACTS,
    DUE_FOR_REFRESH,
    COST_PER_USABLE_CONTACT,
    LINEAGE,
)
