"""People over all files: who a contact is, each person once, whom to call and whom to write to.

Lives here: definitions as data and their SQL, which DuckDB 1.4 can read too. No connection.
"""

from openmart_pipeline.warehouse.tables import CONTACTS, INTEGER, TEXT, UTC, Column, View

_PERSON_ID = Column("person_id", TEXT, "Stays the same while the person is found by the same page, address or name")

# One person has one key: the LinkedIn page; else the page that goes with the same e-mail address elsewhere,
# when it is one page only (`info@` is shared); else the address; else name and company. Written into each view that
# needs it: joining a million contacts to a view of themselves took seconds, and more memory than there was.
_KEYED = """
pageless AS (SELECT DISTINCT email FROM contacts WHERE linkedin_url IS NULL AND email IS NOT NULL),
page_of_email AS (
    SELECT email, min(linkedin_url) AS page FROM contacts
    WHERE linkedin_url IS NOT NULL AND email IN (SELECT email FROM pageless)
    GROUP BY email HAVING min(linkedin_url) = max(linkedin_url)
), keyed AS NOT MATERIALIZED (
    SELECT contacts.*, contacts.rowid AS row_no,
           md5(coalesce(linkedin_url, page, email, lower(full_name) || ' at ' || company_domain, phone, contact_id))
           AS person_id
    FROM contacts LEFT JOIN page_of_email USING (email)
)
"""

_PERSONS = f"WITH {_KEYED} SELECT person_id, contact_id, input_file FROM keyed"  # noqa: S608  our own text

CONTACT_PERSONS = View(
    "contact_persons",
    "A row is a contact and the person it is: LinkedIn page, else e-mail, else name and company tell who",
    (_PERSON_ID, *CONTACTS.only("contact_id", "input_file")),
    _PERSONS,
)

# Nearly everybody has one contact and needs no reckoning; for the others the newest of each fact is taken.
_PEOPLE = f"""
WITH {_KEYED}, several AS MATERIALIZED (
    SELECT person_id FROM keyed GROUP BY person_id HAVING count(*) > 1
), newest AS (
    SELECT person_id,
           arg_max({{'first_name': first_name, 'last_name': last_name, 'full_name': full_name}}, recency)
               FILTER (WHERE full_name IS NOT NULL) AS name,
           arg_max(title, recency) AS title,
           arg_max({{'email': email, 'verified': email_verified}}, recency) FILTER (WHERE email IS NOT NULL) AS mail,
           arg_max(phone, recency) AS phone,
           arg_max(linkedin_url, recency) AS linkedin_url,
           arg_max({{'domain': company_domain, 'name': company_name}}, recency) AS company,
           list_sort(list(DISTINCT input_file)) AS input_files,
           count(*) AS contacts,
           max(submitted_at) AS requested_at,
           max(fetched_at) AS fetched_at
    FROM (SELECT *, {{'at': coalesce(fetched_at, TIMESTAMP '1970-01-01'), 'id': contact_id}} AS recency
          FROM keyed SEMI JOIN several USING (person_id))
    GROUP BY person_id
)
SELECT person_id, first_name, last_name, full_name, title, email, email_verified, phone, linkedin_url,
       company_domain, company_name, [input_file] AS input_files, 1::BIGINT AS contacts,
       submitted_at AS requested_at, fetched_at
FROM keyed ANTI JOIN several USING (person_id)
UNION ALL
SELECT person_id, name.first_name, name.last_name, name.full_name, title, mail.email, mail.verified, phone,
       linkedin_url, company.domain, company.name, input_files, contacts, requested_at, fetched_at
FROM newest
"""  # noqa: S608  our own text

_FACTS = (
    _PERSON_ID,
    *CONTACTS.only("first_name", "last_name", "full_name", "title", "email", "email_verified", "phone"),
    *CONTACTS.only("linkedin_url", "company_domain", "company_name"),
    Column("input_files", "VARCHAR[]", "Files this person was found for"),
    Column("contacts", INTEGER, "Rows of contacts that are this person"),
    Column("requested_at", UTC, "When Openmart was last asked, UTC"),
    Column("fetched_at", UTC, "When the newest answer was read, UTC"),
)

PEOPLE = View(
    "people",
    "A row is a person as contact_directory shows them, without what changes by the day",
    _FACTS,
    _PEOPLE,
    is_stored=True,
)

_DIRECTORY = """
SELECT *, date_diff('day', fetched_at, now() AT TIME ZONE 'UTC') AS age_days,
       coalesce(age_days >= (SELECT max(found_lifetime_days) FROM published_info), false) AS is_due_for_refresh
FROM people
"""

CONTACT_DIRECTORY = View(
    "contact_directory",
    "A row is a person, once over all files: by LinkedIn page, else e-mail, else name and company. Newest facts win",
    (
        *_FACTS,
        Column("age_days", INTEGER, "Days since then"),
        Column(
            "is_due_for_refresh",
            "BOOLEAN",
            "Older than published_info.found_lifetime_days; asking again costs",
        ),
    ),
    _DIRECTORY,
)

# Most likely to reach the person first. What a mailbox of a role or a private address is worth is the reader's call.
_BEST = """
SELECT company_domain, company_name, contact_id, input_file, full_name, title, requested_title, email, email_verified,
       phone, phone_line_type, linkedin_url,
       concat_ws(', ',
           CASE WHEN email IS NOT NULL THEN
               CASE WHEN email_verified THEN 'verified e-mail' ELSE 'e-mail not verified' END
               || CASE WHEN is_role_address THEN ' of a role' WHEN is_free_mail THEN ' at a free-mail provider'
                  ELSE '' END END,
           CASE WHEN phone IS NOT NULL THEN CASE WHEN is_mobile THEN 'mobile' ELSE 'phone' END END,
           CASE WHEN linkedin_url IS NOT NULL THEN 'LinkedIn' END) AS why,
       count(*) OVER (PARTITION BY company_domain) - 1 AS other_contacts, fetched_at
FROM (SELECT *, upper(coalesce(phone_line_type, phone_number_type)) = 'MOBILE' AS is_mobile FROM contacts)
QUALIFY row_number() OVER (
    PARTITION BY company_domain
    ORDER BY coalesce(email_verified AND NOT is_role_address AND NOT is_free_mail, false) DESC,
             coalesce(is_mobile, false) DESC, phone IS NOT NULL DESC, coalesce(email_verified, false) DESC,
             email IS NOT NULL DESC, linkedin_url IS NOT NULL DESC, fetched_at DESC, contact_id) = 1
"""

BEST_CONTACTS = View(
    "best_contacts",
    "A row is a company with its one best contact over all files: a verified address of a person first, then a "
    "mobile, then any way to reach them; the newest of equals",
    (
        *CONTACTS.only("company_domain", "company_name", "contact_id", "input_file", "full_name", "title"),
        *CONTACTS.only("requested_title", "email", "email_verified", "phone", "phone_line_type", "linkedin_url"),
        Column("why", TEXT, "What speaks for this contact"),
        Column("other_contacts", INTEGER, "Contacts of the company that are not shown here"),
        *CONTACTS.only("fetched_at"),
    ),
    _BEST,
    is_stored=True,
)

_CALLS = f"""
WITH {_KEYED}, numbers AS (
    SELECT person_id, contact_id, input_file, full_name, title, company_domain, company_name, email,
           linkedin_url, fetched_at, unnest(phones) AS number
    FROM keyed
    WHERE len(phones) > 0
), ranked AS (
    SELECT *, upper(coalesce(number.line_type, number.number_type)) = 'MOBILE' AS is_mobile,
           (CASE WHEN number.valid THEN 1 ELSE 3 END + CASE WHEN is_mobile THEN 0 ELSE 1 END)::BIGINT AS call_order
    FROM numbers
    WHERE number.e164 IS NOT NULL AND number.valid IS DISTINCT FROM false
)
SELECT call_order, number.e164 AS phone, number.region AS phone_region, number.line_type AS phone_line_type,
       number.number_type AS phone_number_type, number.valid AS phone_valid, person_id, full_name, title,
       company_domain, company_name, email, linkedin_url, contact_id, input_file, fetched_at
FROM ranked
QUALIFY row_number() OVER (
    PARTITION BY person_id, number.e164 ORDER BY call_order, fetched_at DESC, contact_id, number.line_type) = 1
ORDER BY call_order, company_domain, full_name, phone
"""  # noqa: S608  our own text

CALL_LIST = View(
    "call_list",
    "A row is a number to call and the person it belongs to, each once over all files: valid mobiles first, numbers "
    "that Openmart calls invalid left out",
    (
        Column(
            "call_order", INTEGER, "1 valid mobile, 2 other valid number, 3 mobile not checked, 4 other not checked"
        ),
        Column("phone", TEXT, "Number, E.164"),
        *CONTACTS.only("phone_region", "phone_line_type", "phone_number_type"),
        Column("phone_valid", "BOOLEAN", "Openmart's verdict on the number; null: not said"),
        _PERSON_ID,
        *CONTACTS.only("full_name", "title", "company_domain", "company_name", "email", "linkedin_url"),
        *CONTACTS.only("contact_id", "input_file", "fetched_at"),
    ),
    _CALLS,
    is_stored=True,
)

_MAILS = f"""
WITH {_KEYED}, newest AS (
    SELECT max({{'at': fetched_at, 'row_no': rowid}}).row_no AS row_no
    FROM contacts WHERE email_verified AND email IS NOT NULL GROUP BY email
)
SELECT email, person_id, first_name, last_name, full_name, title, company_domain, company_name, is_role_address,
       is_free_mail, is_other_domain, contact_id, input_file, fetched_at
FROM keyed SEMI JOIN newest USING (row_no)
ORDER BY is_role_address, is_free_mail, is_other_domain, company_domain, email
"""  # noqa: S608  our own text

EMAIL_LIST = View(
    "email_list",
    "A row is an e-mail address that Openmart calls verified, once over all files, with whom it was last found for; "
    "addresses of persons at their company first",
    (
        *CONTACTS.only("email"),
        _PERSON_ID,
        *CONTACTS.only("first_name", "last_name", "full_name", "title", "company_domain", "company_name"),
        *CONTACTS.only("is_role_address", "is_free_mail", "is_other_domain", "contact_id", "input_file", "fetched_at"),
    ),
    _MAILS,
    is_stored=True,
)
