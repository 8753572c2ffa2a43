"""Small nasty files, each with what is expected of every row: the claims of intake, one table.

Files are built as bytes, so that encodings and line ends are what the case says.
Uses `intake.companies` only.
"""

# ruff: noqa: RUF001 - letters that look alike are what these cases are about

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openmart_pipeline.intake.companies import CompanyFile, FileRefused, ReadOptions

H = "Company,Website\n"


@dataclass(frozen=True, kw_only=True)
class Case:
    id: str
    data: bytes
    kept: list[tuple[int, str]]
    rejected: list[tuple[int, str]] = field(default_factory=list)
    name: str = "companies.csv"
    lines: list[int] | None = None
    columns: dict[str, list[object]] = field(default_factory=dict)
    report: dict[str, object] = field(default_factory=dict)
    options: ReadOptions = field(default_factory=ReadOptions)
    blank: int = 0
    repaired: int = 0


def u8(text: str) -> bytes:
    return text.encode("utf-8")


AB = [(2, "acme.com"), (3, "beta.io")]
READ = [
    Case(id="plain comma", data=u8(H + "Acme,acme.com\nBeta,beta.io\n"), kept=AB),
    Case(id="no newline at the end", data=u8(H + "Acme,acme.com\nBeta,beta.io"), kept=AB),
    Case(id="windows line ends", data=u8(H + "Acme,acme.com\nBeta,beta.io\n").replace(b"\n", b"\r\n"), kept=AB),
    Case(id="old mac line ends", data=u8(H + "Acme,acme.com\nBeta,beta.io\n").replace(b"\n", b"\r"), kept=AB),
    Case(id="mixed line ends", data=b"Company,Website\r\nAcme,acme.com\rBeta,beta.io\n", kept=AB),
    Case(id="semicolons", data=u8("Firma;Webseite\nMüller, Söhne;acme.com\nBeta;beta.io\n"), kept=AB, report={"delimiter": ";"}, columns={"company_name": ["Müller, Söhne", "Beta"]}),
    Case(id="tabs in a csv", data=u8("Company\tWebsite\nAcme, Inc\tacme.com\nBeta\tbeta.io\n"), kept=AB, report={"delimiter": "\t"}),
    Case(id="tsv", name="x.TSV", data=u8("Company\tWebsite\nAcme\tacme.com\nBeta\tbeta.io\n"), kept=AB, report={"format": "tsv"}),
    Case(id="tsv of commas", name="x.tsv", data=u8(H + "Acme,acme.com\nBeta,beta.io\n"), kept=AB, report={"delimiter": ","}),
    Case(id="pipes", data=u8("Company|Website\nAcme|acme.com\nBeta|beta.io\n"), kept=AB, report={"delimiter": "|"}),
    Case(id="sep line", data=u8("sep=;\r\nCompany;Website\r\nAcme;acme.com\r\nBeta;beta.io\r\n"), kept=AB, lines=[3, 4]),
    Case(id="sep line with mark", data=b"\xef\xbb\xbfsep=;\nCompany;Website\nAcme;acme.com\nBeta;beta.io\n", kept=AB),
    Case(id="quoted sep line", data=u8('"sep=|"\nCompany|Website\nAcme|acme.com\nBeta|beta.io\n'), kept=AB),
    Case(id="a delimiter named by a person", data=u8("Company#Website\nAcme#acme.com\nBeta#beta.io\n"), kept=AB, options=ReadOptions(delimiter="#")),
    Case(id="one column", data=u8("Website\nacme.com\nbeta.io\n"), kept=AB),
    Case(id="one column, a long list of commas in the header's sibling", data=u8('Website\n"acme.com"\nbeta.io\n'), kept=AB),
    Case(id="utf-8 mark", data=b"\xef\xbb\xbf" + u8(H + "Acme,acme.com\nBeta,beta.io\n"), kept=AB, report={"encoding": "utf-8-sig"}),
    Case(id="utf-8 mark before a quoted header", data=b"\xef\xbb\xbf" + u8('"Website","Company"\nacme.com,A\nbeta.io,B\n'), kept=AB),
    Case(id="utf-16 little", data=(H + "Größe,acme.com\nBeta,beta.io\n").encode("utf-16-le").join([b"\xff\xfe", b""]), kept=AB, report={"encoding": "utf-16"}),
    Case(id="utf-16 big", data=b"\xfe\xff" + (H + "Größe,acme.com\nBeta,beta.io\n").encode("utf-16-be"), kept=AB),
    Case(id="utf-16 without mark", data=(H + "Acme,acme.com\nBeta,beta.io\n").encode("utf-16-le"), kept=AB, report={"encoding": "utf-16-le"}),
    Case(id="excel's unicode text", name="x.txt", data=("Company\tWebsite\r\nŠkoda\tacme.com\r\nBeta\tbeta.io\r\n").encode("utf-16"), kept=AB, columns={"company_name": ["Škoda", "Beta"]}),
    Case(id="cp1252", data=("Firma;Web\r\nMüller & Söhne – Café;acme.com\r\nSociété Générale;beta.io\r\n").encode("cp1252"), kept=AB, report={"encoding": "cp1252"}, columns={"company_name": ["Müller & Söhne – Café", "Société Générale"]}),
    Case(id="cp1252 quotes", data=("Company,Web\r\nJoe’s “Best” Pizza – NY,acme.com\r\nL’Oréal,beta.io\r\n").encode("cp1252"), kept=AB, columns={"company_name": ["Joe’s “Best” Pizza – NY", "L’Oréal"]}),
    Case(id="one accented letter", data=("Company,Web\nCafé Noir,acme.com\nBeta,beta.io\n").encode("latin-1"), kept=AB, columns={"company_name": ["Café Noir", "Beta"]}),
    Case(id="danish cp1252", data=("Firma;Web\nØresund A/S København;acme.com\nMærsk Sørensen;beta.io\n").encode("cp1252"), kept=AB, report={"encoding": "cp1252"}),
    Case(id="cp1250 named", data=("Firma;Web\nŁódź Śląska;acme.com\nBeta;beta.io\n").encode("cp1250"), kept=AB, options=ReadOptions(encoding="cp1250"), columns={"company_name": ["Łódź Śląska", "Beta"]}),
    Case(id="one broken line in utf-8", data=u8(H) + b"".join(u8(f"Café {i},acme.com\n") for i in range(20)) + b"Caf\xe9,beta.io\n", kept=[(i + 2, "acme.com") for i in range(20)], rejected=[(22, "bad_encoding")]),
    Case(id="gzip", name="x.csv.gz", data=gzip.compress(u8(H + "Acme,acme.com\nBeta,beta.io\n")), kept=AB, report={"format": "csv.gz"}),
    Case(id="quotes", data=u8('"Company","Website"\n"Acme, Inc","acme.com"\n"The ""B""",beta.io\n'), kept=AB, columns={"company_name": ["Acme, Inc", 'The "B"']}),
    Case(id="newline in a cell", data=u8('Company,Website,Note\nAcme,acme.com,"one\ntwo"\nBeta,beta.io,x\n'), kept=AB, lines=[2, 4]),
    Case(id="crlf in a cell", data=u8('Company,Website,Note\r\nAcme,acme.com,"one\r\n\r\ntwo, three"\r\nBeta,beta.io,x\r\n'), kept=AB, lines=[2, 5]),
    Case(id="newline in the first cell", data=u8('Company,Website\n"Acme\nInc",acme.com\n"Beta\n(parked)\nGmbH",beta.io\n'), kept=AB, lines=[2, 4], columns={"company_name": ["Acme Inc", "Beta (parked) GmbH"]}),
    Case(id="unclosed quote, closed by the next row's end", data=u8('Company,Website,Note\nAcme,acme.com,"open\nBeta,beta.io,y"\nGamma,gamma.io,z\n'), kept=[(3, "beta.io"), (4, "gamma.io")], rejected=[(2, "bad_line")]),
    Case(id="space before a quote", data=u8('Company, "Website"\n "Acme, Inc", "acme.com"\nBeta, beta.io\n'), kept=AB, columns={"company_name": ["Acme, Inc", "Beta"]}),
    Case(id="quote inside a cell", data=u8('Company,Website\n5" Pipes,acme.com\nBeta,beta.io\n'), kept=AB, columns={"company_name": ['5" Pipes', "Beta"]}),
    Case(id="unit separators are text", data=u8(H + "Ac\u2028me,acme.com\nBe\x0bta\x85,beta.io\n"), kept=AB, columns={"company_name": ["Ac me", "Be ta"]}),
    Case(id="unclosed quote", data=u8('Company,Website,Note\nAcme,acme.com,"open\nBeta,beta.io,x\nGamma,gamma.io,"ok"\nDelta,delta.io,y\n'), kept=[(3, "beta.io"), (4, "gamma.io"), (5, "delta.io")], rejected=[(2, "bad_line")]),
    Case(id="unclosed quote, closed by a later row's end", data=u8('Company,Website,Note\nAcme,acme.com,"open\nBeta,beta.io,x\nGamma,gamma.io,y"\nDelta,delta.io,y\n'), kept=[(3, "beta.io"), (4, "gamma.io"), (5, "delta.io")], rejected=[(2, "bad_line")]),
    Case(id="unclosed quote in the last line", data=u8(H + 'Acme,acme.com\n"Beta,beta.io\n'), kept=[(2, "acme.com")], rejected=[(3, "bad_line")]),
    Case(id="unclosed quote in the first cell", data=u8(H + '"Acme,acme.com\nBeta,beta.io\nGamma,gamma.io\n'), kept=[(3, "beta.io"), (4, "gamma.io")], rejected=[(2, "bad_line")]),
    Case(id="text after a quote", data=u8(H + '"Acme" Inc,acme.com\nBeta,beta.io\n'), kept=[(3, "beta.io")], rejected=[(2, "bad_line")]),
    Case(id="backslash quotes", data=u8(H + '"The \\"A\\" Team",acme.com\nBeta,beta.io\n'), kept=[(3, "beta.io")], rejected=[(2, "bad_line")]),
    Case(id="short row", data=u8("Company,Website,City\nAcme,acme.com\nBeta,beta.io,Oslo\n"), kept=[(3, "beta.io")], rejected=[(2, "bad_line")]),
    Case(id="long row", data=u8(H + "Acme,Inc,acme.com\nBeta,beta.io\n"), kept=[(3, "beta.io")], rejected=[(2, "bad_line")]),
    Case(id="empty cells beyond the header", data=u8(H + "Acme,acme.com,,\nBeta,beta.io,\n"), kept=AB),
    Case(id="blank headers at the end", data=u8("Company,Website,,\nAcme,acme.com,,\nBeta,beta.io\n"), kept=AB),
    Case(id="text under a blank header", data=u8("Company,,Website\nAcme,x,acme.com\nBeta,,beta.io\n"), kept=AB, columns={"other": ['{"column 2":"x"}', '{"column 2":""}']}),
    Case(id="unquoted comma and space", data=u8("Company,Industry,Website\nAcme,Mining, Oil, Gas,acme.com\nBeta,Food,beta.io\n"), kept=AB, repaired=1),
    Case(id="unquoted comma and space, domain not in place", data=u8("Website,Industry,City\nacme.com, beta.io,x,y\nbeta.io,Food,z\n"), kept=[(3, "beta.io")], rejected=[(2, "bad_line")]),
    Case(id="newline without quotes", data=u8(H + "Acme\nInc,acme.com\nBeta,beta.io\n"), kept=[(3, "acme.com"), (4, "beta.io")], rejected=[(2, "bad_line")]),
    Case(id="blank lines", data=u8("\n\n" + H + "\nAcme,acme.com\n\n\nBeta,beta.io\n\n"), kept=[(5, "acme.com"), (8, "beta.io")], blank=4, lines=[5, 8]),
    Case(id="rows of delimiters only", data=u8(H + "Acme,acme.com\n,\n , \nBeta,beta.io\n"), kept=[(2, "acme.com"), (5, "beta.io")], blank=2),
    Case(id="duplicate headers", data=u8("Website,Website,Company\nacme.com,other.com,A\nbeta.io,,B\n"), kept=AB, columns={"other": ['{"Website (2)":"other.com"}', '{"Website (2)":""}']}),
    Case(id="duplicate unknown headers", data=u8("Note,Website,Note,Note (2)\na,acme.com,b,c\n"), kept=[(2, "acme.com")], columns={"other": ['{"Note":"a","Note (3)":"b","Note (2)":"c"}']}),
    Case(id="header in capitals and spaces", data=u8(" COMPANY  NAME , WEB SITE \nAcme,acme.com\nBeta,beta.io\n"), kept=AB, columns={"company_name": ["Acme", "Beta"]}),
    Case(id="header over two lines", data=u8('Company,"Web\nsite"\nAcme,acme.com\nBeta,beta.io\n'), kept=AB, lines=[3, 4]),
    Case(id="domain beats website", data=u8("Website,Domain\nhttp://old.com,acme.com\nhttp://old.com,beta.io\n"), kept=AB, report={"columns": {"domain": "Domain"}}),
    Case(id="website beats e-mail", data=u8("Email,Company Website\na@gmail.com,acme.com\nb@gmail.com,beta.io\n"), kept=AB),
    Case(id="e-mails where there is no website", data=u8("Name,E-mail\nAnn,ann@acme.com\nBob,bob@gmail.com\nCy,Cy <cy@beta.io>\n"), kept=[(2, "acme.com"), (4, "beta.io")], rejected=[(3, "free_mail")]),
    Case(id="a column named by a person", data=u8("A,B\nAcme,acme.com\nBeta,beta.io\n"), kept=AB, options=ReadOptions(columns={"website": "b", "company_name": "A"}), columns={"company_name": ["Acme", "Beta"]}),
    Case(id="a column switched off", data=u8("Title,Website\nMr,acme.com\nMs,beta.io\n"), kept=AB, options=ReadOptions(columns={"title": ""}), columns={"titles": [[], []], "other": ['{"Title":"Mr"}', '{"Title":"Ms"}']}),
    Case(id="titles", data=u8('Website,Job Titles\nacme.com,CEO; Head of Sales|ceo\nbeta.io,"CTO\nVP, Engineering"\n'), kept=AB, columns={"titles": [["CEO", "Head of Sales"], ["CTO", "VP, Engineering"]]}),
    Case(id="max_k", data=u8("Website,Max Contacts\nacme.com,8\nbeta.io,3.0\nc.com,9\nd.com,0\ne.com,two\nf.com,\n"), kept=[*AB, (7, "f.com")], rejected=[(4, "max_k_out_of_range"), (5, "max_k_out_of_range"), (6, "max_k_out_of_range")], columns={"max_k": [8, 3, None]}),
    Case(id="info_access", data=u8('Website,Info Access\nacme.com,email\nbeta.io,"E-Mail, Phone"\nc.com,fax\nd.com,n/a\n'), kept=[*AB, (5, "d.com")], rejected=[(4, "unknown_info_access")], columns={"info_access": ["EMAIL", "EMAIL_AND_PHONE", None]}),
    Case(id="version", data=u8("Website,Version\nacme.com,1\nbeta.io,\nc.com,2.3\n"), kept=AB, rejected=[(4, "unknown_version")], columns={"version": [1, None]}),
    Case(id="own ids", data=u8("Id,Website\nA-1,acme.com\n 0012 ,beta.io\n"), kept=AB, columns={"tracking_id": ["A-1", "0012"]}),
    Case(id="places", data=u8("Website,City,State,Country\nacme.com,Austin,Texas,USA\nbeta.io,Perth,WA,Australia\nc.com,Leeds,Redwood City,UK\nd.com,Oz,TX,Narnia\n"), kept=[*AB, (4, "c.com"), (5, "d.com")], columns={"city": ["Austin", "Perth", "Leeds", "Oz"], "state": ["TX", "WA", None, None], "country": ["US", "AU", "GB", None]}),
    Case(id="states without a country", data=u8("Website,State\nacme.com,Washington\nbeta.io,WA\nc.com,tx\n"), kept=[*AB, (4, "c.com")], columns={"state": ["WA", None, "TX"], "other": ['{"state_as_read":"Washington"}', '{"state_as_read":"WA"}', '{"state_as_read":"tx"}']}),
    Case(id="cities under State", data=u8("Website,State,Country\nacme.com,Boston,US\nbeta.io,New York,US\nc.com,Denver,US\nd.com,Miami,US\n"), kept=[*AB, (4, "c.com"), (5, "d.com")], columns={"state": [None] * 4}, report={"columns": {"domain": "Website", "country": "Country"}}),
    Case(id="header only", data=u8(H), kept=[]),
    Case(id="header only, no newline", data=u8("Company,Website"), kept=[]),
    Case(id="hostile text stays text", data=u8("Company,Website\n=cmd|' /C calc'!A0,acme.com\n'); DROP TABLE contacts;--,beta.io\n"), kept=AB, columns={"company_name": ["=cmd|' /C calc'!A0", "'); DROP TABLE contacts;--"]}),
    Case(id="nul, bell and html", data=u8("Company,Website\nAc\x00me\x07,acme.com\n<script>alert(1)</script>,beta.io\n"), kept=AB, columns={"company_name": ["Ac me", "<script>alert(1)</script>"]}),
    Case(id="percent signs and quotes in unknown columns", data=u8('Website,"100% ""sure"""\nacme.com,50%\nbeta.io,"a""b\\c"\n'), kept=AB, columns={"other": ['{"100% \\"sure\\"":"50%"}', '{"100% \\"sure\\"":"a\\"b\\\\c"}']}),
    Case(id="a title, a date and a blank line above the header", data=u8('Accounts of region West\n"Exported by Ann, 2026-11-03"\n\nAccount Name,Website,Tier\nAcme,acme.com,1\nBeta,beta.io,2\n'), kept=[(5, "acme.com"), (6, "beta.io")], lines=[5, 6], report={"notes": ("The header is row 4; what stands above it is not read.",)}),
    Case(id="a title row of cells above the header", data=u8("Leads;;\nFirma;Web;Ort\nA;acme.com;Bonn\nB;beta.io;Kiel\n"), kept=[(3, "acme.com"), (4, "beta.io")], columns={"city": ["Bonn", "Kiel"]}),
    Case(id="a header named by a person below a title", data=u8("Leads\nA,B\nAcme,acme.com\nBeta,beta.io\n"), kept=[(3, "acme.com"), (4, "beta.io")], options=ReadOptions(columns={"domain": "B"})),
    Case(id="a company called Website in a row is no header", data=u8("Website,Company\nacme.com,Website\nbeta.io,Link\n"), kept=AB),
    Case(id="utf-8 named, with its mark", data=b"\xef\xbb\xbf" + u8('"Name, full","Website"\nx,acme.com\ny,beta.io\n'), kept=AB, options=ReadOptions(encoding="UTF8")),
    Case(id="utf-16 named without its end, with its mark", data=b"\xff\xfe" + (H + "Acme,acme.com\nBeta,beta.io\n").encode("utf-16-le"), kept=AB, options=ReadOptions(encoding="utf-16-le")),
    Case(id="a tab named by a person", data=u8("Company\tWebsite\nAcme, Inc\tacme.com\nBeta\tbeta.io\n"), kept=AB, options=ReadOptions(delimiter="\t")),
    Case(id="totals at the end", data=u8("Company,Website,Size\nAcme,acme.com,3\nBeta,beta.io,4\nTotal,,7\n"), kept=AB, rejected=[(4, "blank_domain")]),
    Case(id="the header again in the middle", data=u8(H + "Acme,acme.com\nCompany,Website\nBeta,beta.io\n"), kept=[(2, "acme.com"), (4, "beta.io")], rejected=[(3, "not_a_domain")]),
    Case(id="columns of a crm", data=u8("Record ID,Company name,Company Domain Name,Website URL,State/Region,Country/Region,Number of Employees\n1,Acme,acme.com,http://www.acme.com,California,United States,10\n2,Beta,beta.io,,,,\n"), kept=AB, columns={"tracking_id": ["1", "2"], "state": ["CA", None], "country": ["US", None]}, report={"columns": {"domain": "Company Domain Name", "company_name": "Company name", "state": "State/Region", "country": "Country/Region", "tracking_id": "Record ID"}}),
    Case(id="columns of another crm", data=u8("Account ID,Account Name,Website,Billing City,Billing State/Province,Billing Country\n001A,Acme,acme.com,Perth,WA,AU\n001B,Beta,beta.io,Austin,Texas,US\n"), kept=AB, columns={"tracking_id": ["001A", "001B"], "city": ["Perth", "Austin"], "state": ["WA", "TX"]}),
    Case(id="a directory of start-ups as found", name="x.csv", data=b"\xef\xbb\xbf" + u8('id,name,website,State,country\n1,A,https://acme.com,Oslo,Norway\n2,B,HTTP://WWW.Beta.IO ,Bonn,Germany\n3,C,,Rome,Italy\n4,D,http://,Paris,France\n5,E,http://url,Lyon,France\n6,F,https://www.facebook.com/f/,Nice,France\n7,G,https://angel.co/company/g,Ghent,Belgium\n8,H,https://itunes.apple.com/us/app/h/id1?mt=8,Graz,Austria\n9,I,http://m.me/i,Bern,Switzerland\n10,J,https://www.crunchbase.com/organization/j,Porto,Portugal\n11,K,https://www.producthunt.com/posts/k,Faro,Portugal\n12,L,StyleLend.com,Malmo,Sweden\n13,M,http://picktrace.com/company,Turku,Finland\n14,N,https://n.webflow.io,Brno,Czechia\n15,O,"https://a.com, https://b.com",Split,Croatia\n16,P,https://go.gamma.io/?utm_source=x,Riga,Latvia\n'), kept=[*AB, (13, "stylelend.com"), (14, "picktrace.com"), (17, "gamma.io")], rejected=[(4, "blank_domain"), (5, "blank_domain"), (6, "not_a_domain"), (7, "shared_platform"), (8, "shared_platform"), (9, "shared_platform"), (10, "link_shortener"), (11, "shared_platform"), (12, "shared_platform"), (15, "shared_platform"), (16, "several_domains")], columns={"country": ["NO", "DE", "SE", "FI", "LV"]}),
    Case(id="a footer", data=u8("Account Name,Website,Id\nAcme,acme.com,1\nBeta,beta.io,2\n\nCopyright (c) the vendor\nConfidential\n"), kept=AB, rejected=[(5, "bad_line"), (6, "bad_line")], blank=1),
    Case(id="platform pages among companies", data=u8(H + "Acme,https://www.facebook.com/acme\nBeta,beta.io\nMeta,facebook.com\n"), kept=[(3, "beta.io"), (4, "facebook.com")], rejected=[(2, "shared_platform")]),
    Case(id="a team's own platform", data=u8(H + "Acme,acme.shops.io\nShops,shops.io\nBeta,beta.io\n"), kept=[(4, "beta.io")], rejected=[(2, "shared_platform"), (3, "shared_platform")], options=ReadOptions(extra_platforms=frozenset({"shops.io"}))),
    Case(id="a cell over the limit", data=u8(H + f"{'x' * 200},acme.com\nBeta,beta.io\n"), kept=[(3, "beta.io")], rejected=[(2, "bad_line")], options=ReadOptions(max_cell_chars=100)),
    Case(id="a quoted cell over the limit of many lines", data=u8(H + '"' + "x\n" * 100 + '",acme.com\nBeta,beta.io\n'), kept=[(3, "beta.io")], lines=[103], rejected=[(2, "bad_line")], options=ReadOptions(max_cell_chars=100)),
]  # fmt: skip


def opened(tmp_path: Path, data: bytes, name: str, options: ReadOptions | None = None) -> CompanyFile:
    """Open the bytes under a hash-like name, as the pipeline's own copies are named."""
    path = tmp_path / "3f786850e387550fdab836ed7e6dc881de23001b"
    path.write_bytes(data)
    return CompanyFile(path, name, options)


@pytest.mark.parametrize("chunk_rows", [50_000, 1])
@pytest.mark.parametrize("case", READ, ids=lambda case: case.id)
def test_every_row_is_read_right_or_set_aside(tmp_path, case, chunk_rows):
    options = ReadOptions(
        **{name: getattr(case.options, name) for name in ReadOptions.__slots__} | {"chunk_rows": chunk_rows}
    )
    file = opened(tmp_path, case.data, case.name, options)
    chunks = list(file.chunks())
    companies = [row for chunk in chunks for row in chunk.companies.to_dict("records")]
    rejected = [row for chunk in chunks for row in chunk.set_aside.to_dict("records")]

    assert [(row["source_row"], row["domain"]) for row in companies] == case.kept
    assert [(row["source_row"], row["reason"]) for row in rejected] == case.rejected
    assert sum(chunk.blank_rows for chunk in chunks) == case.blank
    assert sum(chunk.repaired_rows for chunk in chunks) == case.repaired
    if case.lines is not None:
        assert [row["line"] for row in companies] == case.lines
    for name, expected in case.columns.items():
        assert [None if row[name] is None or row[name] != row[name] else row[name] for row in companies] == expected
    for name, expected in case.report.items():
        assert getattr(file.report, name) == expected
    for row in companies:
        assert isinstance(json.loads(row["other"]), dict)
    for row in rejected:
        assert json.loads(row["row"]), row
        assert row["detail"]
        assert "\n" not in row["detail"]


REFUSED = {
    "empty": (b"", "x.csv", "0 bytes"),
    "only blank lines": (b"\n\n\n", "x.csv", "no header"),
    "no website column": (b"A,B\n1,2\n", "x.csv", "2 columns, none with a usual name"),
    "no header": (b"Acme,acme.com\n", "x.csv", "is there a header at all"),
    "a workbook named csv": (b"PK\x03\x04" + b"\0" * 99, "x.csv", "name it .xlsx"),
    "an old workbook named csv": (b"\xd0\xcf\x11\xe0" + b"\0" * 99, "x.csv", "password"),
    "a protected workbook": (b"\xd0\xcf\x11\xe0" + b"\0" * 99, "x.xlsx", "password"),
    "text named xlsx": (u8(H), "x.xlsx", "no workbook"),
    "a truncated workbook": (b"PK\x03\x04" + b"\0" * 99, "x.xlsx", "cut off"),
    "an empty workbook": (b"", "x.xlsx", "0 bytes"),
    "text named parquet": (u8(H), "x.parquet", "no Parquet"),
    "an empty parquet": (b"", "x.parquet", "0 bytes"),
    "a pdf": (b"%PDF-1.7", "x.csv", "a PDF"),
    "a web page": (b"<!DOCTYPE html><html>", "x.csv", "web page"),
    "json": (b'[{"a": 1}]', "x.csv", "JSON"),
    "gzip without its suffix": (gzip.compress(b"x"), "x.csv", ".csv.gz"),
    "a cut gzip": (gzip.compress(u8(H + "Acme,acme.com\n" * 99))[:-12], "x.csv.gz", "cut off"),
    "text named gz": (u8(H), "x.csv.gz", "damaged"),
    "binary": (bytes(range(256)) * 8, "x.csv", "binary"),
    "another suffix": (u8(H), "x.docx", ".xlsx"),
    "no suffix": (u8(H), "companies", ".csv"),
    "cyrillic": ("Firma;Web\nМосковский завод;m.ru\nГазпром нефть;g.ru\n".encode("cp1251"), "x.csv", "encoding"),
    "czech": ("Firma;Web\nDvořák a syn;d.cz\nŘeznictví Příbram;r.cz\nŽďár;z.cz\n".encode("cp1250"), "x.csv", "encoding"),
    "polish": ("Firma;Web\nŁódź Śląska;l.pl\nMączka;m.pl\n".encode("cp1250"), "x.csv", "encoding"),
    "turkish": ("Firma;Web\nİstanbul Şirketi;i.tr\nGüneş;g.tr\n".encode("cp1254"), "x.csv", "encoding"),
    "mac": ("Firma;Web\nCafé Noir;c.fr\nMüller;m.de\n".encode("mac_roman"), "x.csv", "encoding"),
    "dos": ("Firma;Web\nCafé Noir;c.fr\nMüller;m.de\n".encode("cp850"), "x.csv", "encoding"),
    "japanese": ("Firma,Web\n株式会社東京,t.jp\n".encode("shift_jis"), "x.csv", "encoding"),
    "chinese": ("Firma,Web\n北京公司,b.cn\n".encode("gb18030"), "x.csv", "encoding"),
    "cut utf-16": ((H + "Acme,acme.com").encode("utf-16")[:-1], "x.csv", "cut off"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "name", "says"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_no_table_is_refused_with_advice(tmp_path, data, name, says):
    with pytest.raises(FileRefused, match=r".+") as refused:
        opened(tmp_path, data, name)
    message = str(refused.value)
    assert says in message
    assert "\n" not in message
    assert str(tmp_path) not in message


def test_a_folder_named_like_a_table_is_refused(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(FileRefused, match="folder"):
        CompanyFile(tmp_path / "x.csv", "x.csv")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileRefused, match="no longer there"):
        CompanyFile(tmp_path / "x.csv", "x.csv")
