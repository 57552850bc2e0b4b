"""Reports: a study as a table, a row a trial, and as text for other programs and for people.

pandas is named in this room alone. The columns are data (`nas.report.columns`), a format is one file in
`nas/report/formats`.
"""
