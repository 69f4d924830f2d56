"""Steps for source code: languages, generated files, licences."""
