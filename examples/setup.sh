#!/usr/bin/env bash
# Fetch the branch of a repo that this machine can run, and link it as DIR/current.
#     setup.sh OWNER/NAME DIR [further options of `quantpick recommend`]
# Run it again after anything: what is there is verified, not fetched twice.
set -euo pipefail
repo=$1 dir=$2
shift 2

branch=$(quantpick recommend "$repo" "$@" -q) || {
    code=$?
    case $code in
        3) echo "no branch of $repo fits this machine; quantpick recommend $repo says what to do" >&2 ;;
        5) echo "$repo asks for a login: hf auth login" >&2 ;;
        6) echo "the Hub cannot be reached; try again later" >&2 ;;
    esac
    exit "$code"
}

target=$dir/${repo##*/}_${branch//\//_}
for attempt in 1 2 3; do
    code=0
    quantpick download "$repo" --revision "$branch" --local-dir "$target" -q > /dev/null || code=$?
    # 7: the transfer gave up, 9: a file was damaged on its way. What is sound is kept, so the next attempt goes on.
    if [ "$code" != 7 ] && [ "$code" != 9 ]; then break; fi
    echo "attempt $attempt ended with exit $code" >&2
done
[ "$code" = 0 ] || exit "$code"
ln -sfn "$(basename "$target")" "$dir/current"
echo "$dir/current"
