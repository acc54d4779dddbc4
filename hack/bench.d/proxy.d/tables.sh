# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# Markdown.

# spread [FORMAT]: of numbers, one a line: the median, and the minimum and maximum in parentheses. Without a format, they
# have four digits or more.
spread() {
  sort -n | awk -v f="${1:-}" '
    function text(x) { return sprintf(f ? f : x >= 1000 ? "%.0f" : x >= 100 ? "%.1f" : x >= 10 ? "%.2f" : "%.3f", x) }
    { v[NR] = $1 }
    END { if (!NR || v[NR] == 0) print "–"; else print text(v[int((NR + 1) / 2)]) " (" text(v[1]) "–" text(v[NR]) ")" }'
}
# column COLUMN FILE: numbers of a column, which may be followed by `*` and a factor.
column() { awk -v c="${1%\**}" -v factor="${1#*\*}" -v given="$1" '{ print $c * (given ~ /\*/ ? factor : 1) }' "$2"; }
median() { column "$1" "$2" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# ratios COLUMN CASE WHO TO: the ratio of each round.
ratios() { paste -d' ' <(column "$1" "$folder/$2.$3") <(column "$1" "$folder/$2.$4") | awk '$2 > 0 { print $1 / $2 }'; }
# added COLUMN CASE: of each round, how much latency ours adds to the direct way, to how much Envoy does.
added() {
  paste -d' ' <(column "$1" "$folder/$2.pillion") <(column "$1" "$folder/$2.envoy") <(column "$1" "$folder/$2.direct") |
    awk '$2 > $3 { print ($1 - $3) / ($2 - $3) }'
}

header() {
  local column line='| case | proxy |' rule='|---|---|'
  for column in "$@"; do
    line+=" ${column%=*} |"
    rule+='---|'
  done
  printf '\n%s bar |\n%s---|\n' "$line" "$rule"
}

# ratio_row CASE WHO TO NAME BAR [MARK]: ratios, in bold if MARK says so.
ratio_row() {
  local case=$1 who=$2 to=$3 name=$4 bar=$5 mark=${6:-} column
  printf '| | %s |' "$name"
  for column in "${columns[@]}"; do printf ' %s%s%s |' "$mark" "$(ratios "${column#*=}" "$case" "$who" "$to" | spread %.2f)" "$mark"; done
  echo " $bar |"
}

# table CASE: the rows of a case; with a header of its own if its columns are others than those above.
table() {
  local case=$1 who column name shown
  describe "$case"
  if [ "${columns[*]}" != "${shown_columns:-}" ]; then
    header "${columns[@]}"
    shown_columns="${columns[*]}"
  fi
  shown=$title
  for who in $participants; do
    printf '| %s | %s |' "$shown" "$(title_of "$who")"
    shown=''
    for column in "${columns[@]}"; do printf ' %s |' "$(column "${column#*=}" "$folder/$case.$who" | spread)"; done
    echo ' |'
  done
  ratio_row "$case" pillion envoy 'pillion / envoy' "$bar" '**'
  [ -z "$against_second" ] || ratio_row "$case" pillion second "pillion / $second_title" "$against_second" '**'
  for name in nginx haproxy relay; do
    case " $participants " in *" $name "*) ratio_row "$case" "$name" envoy "$(title_of "$name") / envoy" '' ;; esac
  done
  [ -z "$adds_latency" ] || added_row "$case"
}

added_row() {
  local case=$1 column number
  printf '| | latency added to direct, pillion / envoy |'
  for column in "${columns[@]}"; do
    number=${column#*=}
    case $number in
      2 | 3 | 4) printf ' **%s** |' "$(added "$number" "$case" | spread %.2f)" ;;
      *) printf ' |' ;;
    esac
  done
  echo ' p50 ≤ 0.33; p99 ≤ 1.00 |'
}

# machine: where and how it was measured.
machine() {
  local model versions
  versions=$(nginx -v 2>&1 | sed 's/.*version: //')
  ! has_peer envoy || versions="Envoy $envoy_version, $versions"
  ! has_peer haproxy || versions+=", HAProxy $(haproxy -v | awk 'NR == 1 { print $3 }')"
  model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
  echo "Machine: $(nproc) cores (${model:-unknown}), $(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r); $(date -u +%Y-%m-%d); $versions; $profile."
}

# rounds_line CASE…: how many rounds there are, and what was dropped.
rounds_line() {
  local case all='' sum=0 short=''
  for case in "$@"; do
    sum=$((sum + ${dropped[$case]:-0}))
    [ -z "${dropped[$case]:-}" ] || all+="${all:+, }$case: ${dropped[$case]}"
    [ "${measured[$case]}" = "$runs" ] || short+="${short:+, }$case: ${measured[$case]}"
  done
  echo "Rounds: $runs, of runs of $seconds s, in turn; each cell is the median (minimum–maximum), and ratios are those of the same round."
  echo "Runs dropped because others used more than $foreign % of the machine's processor time: $sum${all:+ ($all)}.${short:+ So there are fewer rounds ($short).}"
}
