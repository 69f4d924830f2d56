#!/usr/bin/env bash
# Fetches small public samples of six sources by their publishers' addresses, 150 MB in all.
#     scripts/fetch_samples.sh FOLDER
# A file that is there is not fetched again, and one that was not finished is begun anew. One file
# is asked for at a time, with a pause behind it. GitHub's table is BigQuery's, which has no file to
# fetch (docs/reproducing_llama.md). FETCH_FROM replaces "https:/" in the addresses, for mirrors.
set -euo pipefail

folder=${1:?usage: scripts/fetch_samples.sh FOLDER}
from=${FETCH_FROM:-https:/}
pause=${FETCH_PAUSE_SECONDS:-3}
agent="llama-corpus samples (scripts/fetch_samples.sh)"

# fetch ADDRESS FILE [LAST_BYTE]: the address has no "https://"; a file is there when it is whole.
fetch() {
    local file=$folder/$2
    [[ -e $file ]] && return
    mkdir -p "$(dirname "$file")"
    echo "$2"
    curl --fail --location --silent --show-error --retry 3 --user-agent "$agent" \
        ${3:+--range "0-$3"} --output "$file.part" "$from/$1"
    mv "$file.part" "$file"
    sleep "$pause"
}

# first_of KIND: the first file of that kind in a dump of Common Crawl.
first_of() {
    fetch "data.commoncrawl.org/crawl-data/CC-MAIN-2019-30/$1.paths.gz" "lists/$1.paths.gz"
    gzip -dc "$folder/lists/$1.paths.gz" | sed -n 1p # which reads to the end, as gzip wants
}

# The beginnings of large files: their formats are cut at any record.
wet=$(first_of wet | tail -n 1)
fetch "data.commoncrawl.org/$wet" commoncrawl/wet/first.warc.wet.gz 19999999
warc=$(first_of warc | tail -n 1)
fetch "data.commoncrawl.org/$warc" commoncrawl/warc/first.warc.gz 39999999
fetch huggingface.co/datasets/allenai/c4/resolve/main/en/c4-validation.00000-of-00008.json.gz \
    c4/c4-validation.00000-of-00008.json.gz
fetch dumps.wikimedia.org/simplewiki/latest/simplewiki-latest-pages-articles-multistream.xml.bz2 \
    wikipedia/simplewiki-latest-pages-articles-multistream.xml.bz2 19999999
for number in 11 84 1342; do
    fetch "aleph.gutenberg.org/cache/epub/$number/pg$number.txt" "books/pg$number.txt"
done
for paper in 1706.03762 2302.13971; do
    fetch "export.arxiv.org/e-print/$paper" "arxiv/$paper.gz"
done
fetch archive.org/download/stackexchange/ai.meta.stackexchange.com.7z \
    stackexchange/ai.meta.stackexchange.com.7z

echo "to run a recipe over them:"
echo "  python beam_runner.py --recipe recipes/samples.yaml --output out/samples --set data=$folder \\"
echo "      --set models=samples/models --set tokenizer.model=samples/models/tokenizer.model \\"
echo "      --sources commoncrawl,commoncrawl_warc,c4,wikipedia,books,arxiv,stackexchange"
