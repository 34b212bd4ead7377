"""Points lists of engineers: read from spreadsheets, put into a site, compared, exported."""
