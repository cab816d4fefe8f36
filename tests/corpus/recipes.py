"""Recipes like those of real packages, with the files that they need.

A recipe is the text after the usual head (name, version, one module to /updates), unless it has a head of its own. Its
values are visible in the make line, in the arguments of scripts, in the applied patches, and in the names and directories of
modules. Files of the source: make.list lists the modules that the stand-in for make creates; say.sh prints its arguments.
"""
import textwrap

RECIPES = {}

HEAD = ('PACKAGE_NAME="foo"\nPACKAGE_VERSION="1.0"\nBUILT_MODULE_NAME[0]="foo"\nDEST_MODULE_LOCATION[0]="/updates"\n'
        'AUTOINSTALL="yes"\n')
ID = 'PACKAGE_NAME="foo"\nPACKAGE_VERSION="1.0"\n'


def add(name, text, files=None, modules=("foo",), commands=(), head=HEAD, raw=False, etc=None, cwd="/"):
    """@commands: arguments of dkms after add and install; @etc: files in /etc/dkms; @raw: @text has no head"""
    assert name not in RECIPES, name
    body = text if raw else head + textwrap.dedent(text).strip("\n") + "\n"
    RECIPES[name] = {"conf": body, "files": files or {}, "modules": modules, "commands": commands, "etc": etc or {}, "cwd": cwd}


def table(prefix, *rows, **options):
    """One recipe for each row."""
    for name, text in rows:
        add(f"{prefix}_{name}", text, **options)


def patch(old, new, file="text"):
    return f"--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-{old}\n+{new}\n"


# ---- values over several lines, white space ----

table("lines",
      ("make", 'MAKE="make -C ${kernel_source_dir}\n   KSRC=x\n\tM=y"'),
      ("make_trailing", 'MAKE="make a\n"'),
      ("make_leading", 'MAKE="\n   make a"'),
      ("make_blank_lines", 'MAKE="make a\n\n\n  b"'),
      ("make_tabs", 'MAKE="make\ta\t\tb"'),
      ("make_runs", 'MAKE="make   a     b"'),
      ("make_continued", 'MAKE="make a \\\n   b \\\n   c"'),
      ("make_continued_outside", 'MAKE="make a "\\\n"b"'),
      ("make_single", "MAKE='make a\n  b'"),
      ("make_two_commands", "MAKE='make a;\n   make b'"),
      ("make_and", "MAKE='make a &&\n   make b'"),
      ("make_comment", 'MAKE="make a # said\n   b"'),
      ("array", 'MAKE=("make a\n  b")'),
      ("heredoc", "MAKE=$(cat <<EOF\nmake one\n  two\nEOF\n)"),
      ("heredoc_read", "read -r -d '' MAKE <<EOF\nmake one\n  two\nEOF"),
      ("ansi", "MAKE=$'make a\\n\\tb'"),
      ("exclusive_config", 'BUILD_EXCLUSIVE_CONFIG="CONFIG_MODULES\n   !CONFIG_NONE"'),
      ("autoinstall", 'AUTOINSTALL="yes\n"'),
      ("location", 'DEST_MODULE_LOCATION[0]=" /updates"'),
      ("kernel", 'BUILD_EXCLUSIVE_KERNEL="^6\n"'),
      ("patch", 'PATCH[0]="a.patch\n"'),
      ("depends", 'BUILD_DEPENDS[0]="\n"'))
add("lines_scripts", """
    PRE_BUILD="say.sh
      one
      two"
    POST_BUILD="say.sh   three
    four
    "
    PRE_INSTALL="say.sh
    five"
    POST_INSTALL="say.sh six    seven
    "
    POST_ADD="say.sh
    eight"
    """)
add("lines_configure", r'''
    CONF="/etc/dkms/foo.settings"
    PRE_BUILD="say.sh
      --prefix=/usr
      --with-linux=$(
        if [ -e "${kernel_source_dir/%build/source}" ]
        then
          echo "${kernel_source_dir/%build/source}"
        else
          echo "${kernel_source_dir}"
        fi
      )
      --with-obj="${kernel_source_dir}"
      $(
        [[ -n "${NOTHING}" ]] && \
        {
          echo --with-nothing
        }
      )
      $(
        [[ -r ${CONF} ]] \
        && source ${CONF} \
        && shopt -q -s extglob \
        && \
        {
          if [[ ${DEBUG_IT,,} == @(y|yes) ]]
          then
            echo --enable-debug
          fi
        }
      )
    "
    POST_BUILD="say.sh
      -n ${PACKAGE_NAME}
      -v ${PACKAGE_VERSION}
      -a ${arch}
      -k ${kernelver}
      -t ${dkms_tree}
    "
    STRIP[0]="$(
      [[ -r ${CONF} ]] \
      && source ${CONF} \
      && [[ ${NO_STRIP,,} == @(y|yes) ]] \
      && echo -n no
    )"
    ''', etc={"foo.settings": "DEBUG_IT=Yes\nNO_STRIP=y\n"})

# ---- quotes ----

table("quotes",
      ("none", "MAKE=make"),
      ("double", 'MAKE="make a"'),
      ("single", "MAKE='make a'"),
      ("mixed", "MAKE=\"make \"'a'\" b\""),
      ("single_inside", "MAKE=\"make 'a b' c\""),
      ("escaped_dollar", 'MAKE="make \\$HOME_OF_NOBODY a"'),
      ("opt_out", "MAKE=\"'make' all\""),
      ("absolute", 'MAKE="/usr/local/bin/make all"'),
      ("env_first", 'MAKE="env A=b make all"'),
      ("assignment_first", 'MAKE="A=b make all"'),
      ("cd_first", 'MAKE="cd . && make all"'),
      ("subshell", 'MAKE="(make a; make b)"'),
      ("pipe", 'MAKE="make a | cat"'),
      ("or", 'MAKE="false || make a"'),
      ("loop", "MAKE='for d in a b; do make $d; done'"),
      ("not_make", 'MAKE="./build.sh a"'),
      ("backslash", "MAKE='make a\\\\b'"),
      ("star", "MAKE='make no*such?file'"),
      ("brace", "MAKE='make {a,b}'"),
      ("tilde", 'MAKE="make X=~"'),
      ("hash_inside", 'MAKE="make a#b"'),
      ("exclamation", 'MAKE="! false; make a"'),
      files={"build.sh": "#!/bin/sh\nexec make from-script $*\n"})

# ---- second expansion ----

table("again",
      ("kernel", "MAKE='make -C ${kernel_source_dir} M=${dkms_tree}/${PACKAGE_NAME}/${PACKAGE_VERSION}/build'"),
      ("bare", "MAKE='make K=$kernelver A=$arch'"),
      ("command", "MAKE='make X=$(echo hi)'"),
      ("backquotes", "MAKE='make X=`echo hi`'"),
      ("arithmetic", "MAKE='make X=$((1+2))'"),
      ("default", "MAKE='make X=${NOT_SET:-default}'"),
      ("pattern", "MAKE='make X=${kernelver%%-*}'"),
      ("directive", "MAKE='make X=${BUILT_MODULE_NAME[0]}'"),
      ("own_variable", "mine=value\nMAKE='make X=$mine'"),
      ("unset", "MAKE='make X=$not_set_at_all Y'"),
      ("escaped", "MAKE='make X=\\$HOME'"),
      ("function", "f() { echo from-f; }\nMAKE='make X=$(f)'"),
      ("script", "PRE_BUILD='say.sh ${kernelver} $(echo two)'"),
      ("patch", "PATCH[0]='${PACKAGE_NAME}.patch'"),
      ("regex", "BUILD_EXCLUSIVE_KERNEL='^6\\.[0-9]+\\.'"),
      ("regex_end", "MAKE_MATCH[1]='^[0-9]$'\nMAKE[0]='make zero'\nMAKE[1]='make one'"),
      files={"patches/foo.patch": patch("one", "two")})

# ---- conditions ----

table("if",
      ("test", 'if [ -d "$kernel_source_dir" ]; then MAKE="make there"; else MAKE="make not-there"; fi'),
      ("double", 'if [[ $kernelver == 6.* ]]; then MAKE="make six"; else MAKE="make other"; fi'),
      ("regex", 'if [[ $kernelver =~ ^([0-9]+)\\.([0-9]+) ]]; then MAKE="make ${BASH_REMATCH[1]}-${BASH_REMATCH[2]}"; fi'),
      ("regex_variable", "re='^[0-9]+'\n[[ $kernelver =~ $re ]] && MAKE=\"make ${BASH_REMATCH[0]}\""),
      ("arithmetic", 'major=${kernelver%%.*}\nif (( major >= 6 )); then MAKE="make new"; else MAKE="make old"; fi'),
      ("numeric", 'major=${kernelver%%.*}\nif [ "$major" -ge 6 -a "$major" -lt 9 ]; then MAKE="make 6to8"; fi'),
      ("elif", 'if false; then MAKE="make a"; elif [ "$arch" = "nothing" ]; then MAKE="make b"; else MAKE="make c"; fi'),
      ("and_or", '[ -f /no/such ] && MAKE="make a" || MAKE="make b"'),
      ("grep", 'if grep -q "^CONFIG_MODULES=y" $kernel_source_dir/.config 2>/dev/null; then MAKE="make modules"; fi'),
      ("config", 'if [ -n "$kernel_config" ] && grep -q CONFIG_MODULES "$kernel_config"; then MAKE="make config"; fi'),
      ("not", 'if ! [ -e /no/such ]; then MAKE="make not"; fi'),
      ("nested", 'if true; then\n  if true; then\n    if false; then :; else MAKE="make deep"; fi\n  fi\nfi'),
      ("failing_last", 'MAKE="make a"\nfalse'),
      ("command", 'if command -v no-such-program >/dev/null; then MAKE="make with"; else MAKE="make without"; fi'),
      ("empty_variable", 'if [ -z "$module_of_nobody" ]; then MAKE="make empty"; fi'),
      ("which_distribution", 'case $running_distribution in debian*) MAKE="make debian";; *) MAKE="make other";; esac'))
table("case",
      ("kernel", 'case $kernelver in\n  5.*) MAKE="make five" ;;\n  6.*) MAKE="make six" ;;\n  *) MAKE="make any" ;;\nesac'),
      ("alternatives", 'case $arch in i?86|x86_64) MAKE="make x86";; *) MAKE="make not-x86";; esac'),
      ("class", 'case ${kernelver##*-} in [a-z]*) MAKE="make flavour";; *) MAKE="make plain";; esac'),
      ("fall_through", 'case a in a) x=1 ;;& a*) x=${x}2 ;& b) x=${x}3 ;; c) x=no ;; esac\nMAKE="make $x"'),
      ("none", 'case x in y) MAKE="make y";; esac'),
      ("nested", 'case $arch in *) case $kernelver in 6*) MAKE="make in";; esac;; esac'),
      ("extglob", 'shopt -s extglob\ncase $kernelver in\n  +([0-9]).+([0-9]).*) MAKE="make ext" ;;\nesac'))

# ---- loops that fill arrays ----

table("loop",
      ("for", 'i=0\nfor m in foo bar baz; do\n  BUILT_MODULE_NAME[i]=$m\n  DEST_MODULE_LOCATION[i]=/updates\n  i=$((i+1))\ndone'),
      ("for_post_increment", 'i=0\nfor m in foo bar baz; do\n  BUILT_MODULE_NAME[$i]="$m"\n  DEST_MODULE_LOCATION[$((i++))]="/updates"\ndone'),
      ("c_style", 'names=(foo bar baz)\nfor ((i = 0; i < ${#names[@]}; i++)); do\n  BUILT_MODULE_NAME[i]=${names[i]}\n  DEST_MODULE_LOCATION[i]=/extra\ndone'),
      ("while", 'i=0\nset -- foo bar baz\nwhile [ $# -gt 0 ]; do\n  BUILT_MODULE_NAME[$i]=$1; DEST_MODULE_LOCATION[$i]=/updates; shift; let i++\ndone'),
      ("until", 'i=0\nuntil [ $i -eq 3 ]; do\n  n=(foo bar baz)\n  BUILT_MODULE_NAME[$i]=${n[$i]}; DEST_MODULE_LOCATION[$i]=/updates; : $((i+=1))\ndone'),
      ("read_here_string", 'i=0\nwhile read -r m; do\n  BUILT_MODULE_NAME[i]=$m; DEST_MODULE_LOCATION[i]=/updates; ((i++))\ndone <<< "foo\nbar\nbaz"'),
      ("read_heredoc", 'i=0\nwhile read -r m where; do\n  BUILT_MODULE_NAME[i]=$m; DEST_MODULE_LOCATION[i]=$where; ((i++))\ndone <<EOF\nfoo /updates\nbar /extra\nbaz /kernel/x\nEOF'),
      ("read_process", 'i=0\nwhile IFS=: read -r m where; do\n  BUILT_MODULE_NAME[i]=$m; DEST_MODULE_LOCATION[i]=$where; ((i++))\ndone < <(printf "foo:/updates\\nbar:/extra\\nbaz:/updates\\n")'),
      ("piped_is_lost", 'echo bar | while read -r m; do BUILT_MODULE_NAME[0]=$m; done'),
      ("nested", 'n=0\nfor a in f b; do for z in oo ar; do\n  case $a$z in foo|bar) BUILT_MODULE_NAME[n]=$a$z; DEST_MODULE_LOCATION[n]=/updates; ((n++)) ;; esac\ndone; done'),
      ("break_continue", 'i=0\nfor m in no foo bar baz never; do\n  [ $m = no ] && continue\n  [ $m = never ] && break\n  BUILT_MODULE_NAME[$i]=$m; DEST_MODULE_LOCATION[$i]=/updates; i=`expr $i + 1`\ndone'),
      ("brace_range", 'for i in {0..2}; do DEST_MODULE_LOCATION[i]=/updates; done\nBUILT_MODULE_NAME=(foo bar baz)'),
      ("seq", 'for i in $(seq 0 2); do DEST_MODULE_LOCATION[$i]=/updates; done\nBUILT_MODULE_NAME=(foo bar baz)'),
      ("appending", 'for m in foo bar baz; do BUILT_MODULE_NAME+=("$m"); DEST_MODULE_LOCATION+=("/updates"); done'),
      ("eval", 'i=0\nfor m in foo bar baz; do eval "BUILT_MODULE_NAME[$i]=$m"; eval "DEST_MODULE_LOCATION[$i]=/updates"; ((i=i+1)); done'),
      ("glob", 'i=0\nfor f in /usr/src/foo-1.0/parts/*.part; do\n  BUILT_MODULE_NAME[i]=$(basename $f .part); DEST_MODULE_LOCATION[i]=/updates; ((i++))\ndone'),
      ("indices", 'BUILT_MODULE_NAME=(foo bar baz)\nfor i in ${!BUILT_MODULE_NAME[@]}; do DEST_MODULE_LOCATION[$i]=/updates; STRIP[$i]=no; done'),
      ("down", 'BUILT_MODULE_NAME=(foo bar baz)\nfor ((i=2; i>=0; i--)); do DEST_MODULE_LOCATION[i]=/updates; done'),
      head=ID, modules=("foo", "bar", "baz"), files={f"parts/{m}.part": "" for m in ("foo", "bar", "baz")})

# ---- functions ----

table("function",
      ("plain", 'f () { echo "make $1"; }\nMAKE=$(f a)'),
      ("keyword", 'function f { MAKE="make kw"; }\nf'),
      ("local", 'f() { local MAKE="make local"; }\nMAKE="make global"\nf'),
      ("sets_array", 'module() { local n=${#BUILT_MODULE_NAME[@]}; BUILT_MODULE_NAME[n]=$1; DEST_MODULE_LOCATION[n]=$2; }\nunset BUILT_MODULE_NAME DEST_MODULE_LOCATION\nmodule foo /updates; module bar /extra'),
      ("recursion", 'f() { [ $1 -le 1 ] && echo 1 || echo $(( $1 * $(f $(($1-1))) )); }\nMAKE="make $(f 5)"'),
      ("returns", 'is_new() { [ "${kernelver%%.*}" -ge 6 ]; }\nis_new && MAKE="make new" || MAKE="make old"'),
      ("version_compare", 'ge() { [ "$(printf "%s\\n" "$2" "$1" | sort -V | head -n1)" = "$2" ]; }\nge "$kernelver" 5.10 && MAKE="make ge510"'),
      ("nameref", 'f() { local -n to=$1; to="make $2"; }\nf MAKE by-reference'),
      ("unset", 'f() { :; }\nunset -f f\nf 2>/dev/null || MAKE="make gone"'),
      ("positional", 'f() { MAKE="make $# $2 $*"; }\nf a b c'),
      ("named_as_tools", 'printf() { :; }\necho() { :; }\neval() { :; }\nMAKE="make hidden"'),
      ("trap", "trap 'MAKE=never' RETURN\nMAKE='make trapped'"),
      modules=("foo", "bar"))

# ---- arrays ----

table("array",
      ("literal", 'BUILT_MODULE_NAME=("foo" "bar")\nDEST_MODULE_LOCATION=("/updates" "/extra")'),
      ("lines", 'BUILT_MODULE_NAME=(\n  foo # the first\n\n  bar\n)\nDEST_MODULE_LOCATION=(/updates\n  /extra)'),
      ("indexed", 'BUILT_MODULE_NAME=([1]=bar [0]=foo)\nDEST_MODULE_LOCATION=([0]=/updates [1]=/extra)'),
      ("append", 'BUILT_MODULE_NAME=(foo)\nBUILT_MODULE_NAME+=(bar)\nDEST_MODULE_LOCATION=(/updates /extra)'),
      ("append_text", 'BUILT_MODULE_NAME=(fo ba)\nBUILT_MODULE_NAME[0]+=o\nBUILT_MODULE_NAME[1]+=r\nDEST_MODULE_LOCATION=(/updates /extra)'),
      ("slice", 'all=(no foo bar no)\nBUILT_MODULE_NAME=("${all[@]:1:2}")\nDEST_MODULE_LOCATION=(/updates /extra)'),
      ("read_a", 'read -r -a BUILT_MODULE_NAME <<< "foo bar"\nIFS=, read -ra DEST_MODULE_LOCATION <<< "/updates,/extra"'),
      ("mapfile", 'mapfile -t BUILT_MODULE_NAME < <(printf "foo\\nbar\\n")\nmapfile -t DEST_MODULE_LOCATION <<< "/updates\n/extra"'),
      ("associative", 'declare -A where=([foo]=/updates [bar]=/extra)\nBUILT_MODULE_NAME=(foo bar)\nfor i in 0 1; do DEST_MODULE_LOCATION[i]=${where[${BUILT_MODULE_NAME[i]}]}; done'),
      ("prefix", 'n=(oo ar)\nBUILT_MODULE_NAME=("f${n[0]}" "b${n[1]}")\nDEST_MODULE_LOCATION=("${n[@]/*//updates}")'),
      ("split", 'list="foo bar"\nBUILT_MODULE_NAME=($list)\nDEST_MODULE_LOCATION=(/updates /extra)'),
      ("unset_element", 'BUILT_MODULE_NAME=(foo bar no)\nunset "BUILT_MODULE_NAME[2]"\nDEST_MODULE_LOCATION=(/updates /extra)'),
      ("names_differ", 'BUILT_MODULE_NAME=(foo bar)\nDEST_MODULE_NAME=(foo-one bar-two)\nDEST_MODULE_LOCATION=(/updates /updates)'),
      ("subdirectories", 'BUILT_MODULE_NAME=(foo bar)\nBUILT_MODULE_LOCATION=(. sub/)\nDEST_MODULE_LOCATION=(/updates /updates)'),
      ("scalar_is_zero", 'BUILT_MODULE_NAME=foo\nBUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION=/updates\nDEST_MODULE_LOCATION[1]=/extra'),
      ("arithmetic_index", 'i=1\nBUILT_MODULE_NAME[i-1]=foo\nBUILT_MODULE_NAME[i]=bar\nDEST_MODULE_LOCATION[0]=/updates DEST_MODULE_LOCATION[0x1]=/extra'),
      ("declare", 'declare -a BUILT_MODULE_NAME=(foo bar)\ndeclare DEST_MODULE_LOCATION=([0]=/updates [1]=/extra)'),
      ("export", 'BUILT_MODULE_NAME=(foo bar)\nexport DEST_MODULE_LOCATION=(/updates /extra)'),
      head=ID, modules=("foo", "bar", "sub/bar"))

# ---- commands ----

table("command",
      ("sed", "MAKE=\"make X=$(echo $kernelver | sed -e 's/^\\([0-9]*\\)\\..*/\\1/')\""),
      ("awk", "MAKE=\"make X=$(echo $kernelver | awk -F. '{ print $1 * 100 + $2 }')\""),
      ("cut", 'MAKE="make X=$(echo $kernelver | cut -d. -f1,2)"'),
      ("tr", 'MAKE="make X=$(echo a.b.c | tr . _ | tr a-z A-Z)"'),
      ("pipeline", "MAKE=\"make X=$(grep -h '^CONFIG_' $kernel_source_dir/.config | sort | head -n 1 | cut -d= -f1)\""),
      ("nested", 'MAKE="make X=$(basename $(dirname $(echo /a/b/c)))"'),
      ("backquotes", 'MAKE="make X=`basename /a/b` Y=`echo \\`echo in\\``"'),
      ("uname", 'MAKE="make X=$(uname -s)"'),
      ("expr", 'MAKE="make X=$(expr 3 + 4) Y=$(expr abc : \'a\\(.*\\)\')"'),
      ("printf", "MAKE=$(printf 'make %03d %s' 7 x)"),
      ("cat_file", 'MAKE="make X=$(cat /usr/src/foo-1.0/data/version)"'),
      ("read_file", 'MAKE="make X=$(</usr/src/foo-1.0/data/version)"'),
      ("while_in_it", 'MAKE="make X=$(while read -r a b; do echo -n $b; done < /usr/src/foo-1.0/data/pairs)"'),
      ("test_output", 'MAKE="make X=$([ -e /no/such ] && echo yes || echo no)"'),
      ("stdout_is_dropped", 'echo this is not seen\nMAKE="make X"'),
      ("fails", 'MAKE="make X=$(no-such-command 2>/dev/null)"'),
      ("find", 'MAKE="make X=$(cd /usr/src/foo-1.0/data && find . -type f | sort | xargs echo | tr " " ,)"'),
      ("date_free", 'MAKE="make X=$(LC_ALL=C TZ=UTC date -d @0 +%Y)"'),
      ("process", 'MAKE="make X=$(diff <(echo a) <(echo b) >/dev/null && echo same || echo other)"'),
      ("here_string", 'MAKE="make X=$(tr a-z A-Z <<< word)"'),
      ("make_variable", "MAKE=\"make X=$(sed -n 's/^VERSION = //p' /usr/src/foo-1.0/data/Makefile.in)\""),
      files={"data/version": "4.2\n", "data/pairs": "a 1\nb 2\n", "data/Makefile.in": "VERSION = 9.9\nall:\n"})

# ---- parameters ----

table("parameter",
      ("suffix", 'MAKE="make ${kernelver%-*} ${kernelver%%.*}"'),
      ("prefix", 'MAKE="make ${kernelver#*.} ${kernelver##*-}"'),
      ("replace", 'MAKE="make ${kernelver//[.-]/_} ${kernelver/#6/six}"'),
      ("case", 'x=MiXed\nMAKE="make ${x^^} ${x,,} ${x^} ${x~~}"'),
      ("default", 'MAKE="make ${nothing-one} ${nothing:-two} ${nothing:+three} ${arch:+four}"'),
      ("assign", ': ${newly:=five}\nMAKE="make $newly"'),
      ("substring", 'x=abcdef\nMAKE="make ${x:2} ${x:1:3} ${x: -2}"'),
      ("length", 'x=(a bc def)\nMAKE="make ${#x[@]} ${#x[2]} ${#arch}"'),
      ("indirect", 'one=two\ntwo=three\nMAKE="make ${!one}"'),
      ("names", 'pre_a=1 pre_b=2\nMAKE="make ${!pre_*}"'),
      ("arithmetic", 'MAKE="make $((2**10)) $((16#ff)) $((7/2)) $((7%2))"'),
      ("let", 'let "a = 5" "b = a * 2"\nMAKE="make $a $b"'),
      ("increment", 'i=5\n((i += 3))\nMAKE="make $i $((i++)) $i"'),
      ("quoted", 'x="a b"\nMAKE="make ${x@Q}"'),
      ("version_parts", 'IFS=.- read -r a b c rest <<< "$kernelver"\nMAKE="make $a $b $c"'),
      ("split_set", 'set -- ${kernelver//[.-]/ }\nMAKE="make $1 $2"'))

# ---- files of the source ----

COMMON = "MAKE='make from-common'\nCOMMON=value\n"
add("source_by_tree", '. $source_tree/foo-1.0/common.sh', files={"common.sh": COMMON})
add("source_by_dkms_tree", '. $dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/source/common.sh || . /usr/src/foo-1.0/common.sh', files={"common.sh": COMMON})
add("source_by_bash_source", '. "$(dirname "${BASH_SOURCE[0]}")/common.sh"', files={"common.sh": COMMON})
add("source_by_expansion", 'source "${BASH_SOURCE%/*}"/common.sh\nMAKE="$MAKE $COMMON"', files={"common.sh": COMMON})
add("source_by_name", '. ./common.sh', files={"common.sh": COMMON}, cwd="/usr/src/foo-1.0")
add("source_in_subdirectory", '. /usr/src/foo-1.0/sub/common.sh', files={"sub/common.sh": COMMON})
add("source_missing", '. /usr/src/foo-1.0/missing.sh 2>/dev/null\nMAKE="make after"')
add("source_config", 'if [ -f $kernel_source_dir/.config ]; then\n  . $kernel_source_dir/.config\n  [ "$CONFIG_MODULES" = y ] && MAKE="make configured"\nfi')
add("source_with_values", '. /usr/src/foo-1.0/more.sh', files={"more.sh": "BUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/extra\n"}, modules=("foo", "bar"))
add("version_from_file", 'PACKAGE_VERSION="$(cat VERSION)"', files={"VERSION": "1.0\n"}, cwd="/usr/src/foo-1.0")
add("version_from_grep", "PACKAGE_VERSION=$(sed -n 's/.*VERSION \"\\(.*\\)\".*/\\1/p' /usr/src/foo-1.0/version.h)", files={"version.h": '#define VERSION "1.0"\n'})

# ---- the shell itself ----

table("shell",
      ("set_e", 'set -e\nMAKE="make a"'),
      ("set_u", 'set -u\nMAKE="make a"'),
      ("set_x", 'set -x 2>/dev/null\nMAKE="make a"'),
      ("set_f", 'set -f\nMAKE="make a"'),
      ("ifs", 'MAKE="make a b"\nPRE_BUILD="say.sh 1 2"'),
      ("posix", 'set -o posix\nMAKE="make a"'),
      ("extglob", 'shopt -s extglob nullglob\nMAKE="make ${kernelver%%+([a-z0-9-])}"'),
      ("return", 'MAKE="make a"\nreturn 0\nMAKE="make b"'),
      ("return_failure", 'MAKE="make a"\nreturn 3'),
      ("exit_in_subshell", '(exit 5)\nMAKE="make $?"'),
      ("exit", 'exit 0'),
      ("exec", 'exec true'),
      ("syntax_at_the_end", 'MAKE="make a"\nif [ true; then'),
      ("unclosed_quote", 'MAKE="make a"\nX="never closed'),
      ("unknown_command", 'no-such-command 2>/dev/null\nMAKE="make a"'),
      ("readonly", 'readonly MAKE="make ro"'),
      ("eval", 'eval \'MAKE="make evaluated"\''),
      ("declare_global", 'f() { declare -g MAKE="make g"; }\nf'),
      ("printf_v", 'printf -v MAKE "make %s" v'),
      ("semicolons", 'A=1;B=2; MAKE="make $A$B"; :'),
      ("group", '{ MAKE="make grouped"; }'),
      ("background", 'true & wait\nMAKE="make bg"'),
      ("cd", 'cd /\nMAKE="make cd"'),
      ("unset_directive", 'MAKE="make a"\nunset MAKE'),
      ("alias", 'alias mk=make\nMAKE="make aliased"'),
      ("integer", 'declare -i n=3+4\nMAKE="make $n"'),
      ("lower_case", 'make="make lower"\nbuilt_module_name=no'),
      ("unknown_directives", 'DKMS_DIR=x\nKERNEL_MODULE=y\nBUILD_REQUIRES=z'),
      ("template_comment", '# @PACKAGE@ @VERSION@ are filled in by configure\nMAKE="make a"'),
      ("inherited", 'MAKE="make [${MY_VARIABLE}]"'),
      ("true_and_colon", ': "${X:=1}"\ntrue && MAKE="make $X"'))

# ---- file formats ----

add("file_crlf", (HEAD + 'MAKE="make a b"\nPRE_BUILD="say.sh one"\n').replace("\n", "\r\n"), raw=True)
add("file_crlf_mixed", HEAD + 'MAKE="make a"\r\nBUILD_EXCLUSIVE_KERNEL="^6"\r\n', raw=True)
add("file_no_newline", HEAD + 'MAKE="make last"', raw=True)
add("file_tabs", HEAD.replace("\n", "\t\n") + '\tMAKE="make indented"\n', raw=True)
add("file_comments", "# first\n#\n" + HEAD + 'MAKE="make a" # behind\n  # indented\n#MAKE="make no"\n', raw=True)
add("file_shebang", "#!/bin/bash\n" + HEAD + 'MAKE="make a"\n', raw=True)
add("file_utf8", HEAD + '# Grüße\nAUTHOR="Jörg"\nMAKE="make X=ü"\n', raw=True)
add("file_long_line", HEAD + 'MAKE="make ' + " ".join(f"option{i}=value" for i in range(300)) + '"\n', raw=True)
add("file_blank_lines", "\n\n" + HEAD.replace("\n", "\n\n") + "\n\n", raw=True)
add("file_quotes_of_names", "PACKAGE_NAME='foo'\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=\"$PACKAGE_NAME\"\nDEST_MODULE_LOCATION='/updates'\n", raw=True)
add("file_one_line", "PACKAGE_NAME=foo PACKAGE_VERSION=1.0; BUILT_MODULE_NAME=foo; DEST_MODULE_LOCATION=/updates\n", raw=True)
add("file_twice", HEAD + HEAD + 'MAKE="make first"\nMAKE="make second"\n', raw=True)

# ---- directives ----

table("exclusive",
      ("kernel", 'BUILD_EXCLUSIVE_KERNEL="^6\\."'), ("kernel_not", 'BUILD_EXCLUSIVE_KERNEL="^5\\."'),
      ("kernel_alternatives", 'BUILD_EXCLUSIVE_KERNEL="^(5|6)\\.[0-9]+\\..*"'), ("kernel_invalid", 'BUILD_EXCLUSIVE_KERNEL="["'),
      ("min", 'BUILD_EXCLUSIVE_KERNEL_MIN="5.10"'), ("min_not", 'BUILD_EXCLUSIVE_KERNEL_MIN="7.0"'), ("max", 'BUILD_EXCLUSIVE_KERNEL_MAX="6.99"'),
      ("max_not", 'BUILD_EXCLUSIVE_KERNEL_MAX="6.0"'), ("between", 'BUILD_EXCLUSIVE_KERNEL_MIN=5.0\nBUILD_EXCLUSIVE_KERNEL_MAX=6.5'),
      ("arch", 'BUILD_EXCLUSIVE_ARCH="^(x86_64|aarch64)$"'), ("arch_not", 'BUILD_EXCLUSIVE_ARCH="sparc"'), ("config", 'BUILD_EXCLUSIVE_CONFIG="CONFIG_MODULES"'),
      ("config_not", 'BUILD_EXCLUSIVE_CONFIG="CONFIG_NOT_THERE"'), ("config_negated", 'BUILD_EXCLUSIVE_CONFIG="!CONFIG_MODULES"'),
      ("computed", 'if grep -q "^CONFIG_MODULES=y" $kernel_source_dir/.config; then BUILD_EXCLUSIVE_KERNEL="not this"; fi'),
      ("second_only", 'BUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/updates\nBUILD_EXCLUSIVE_KERNEL[1]="^5"'),
      ("first_is_for_all", 'BUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/updates\nBUILD_EXCLUSIVE_KERNEL_MAX[0]=3.99\nBUILD_EXCLUSIVE_KERNEL_MIN[1]=5.0'),
      modules=("foo", "bar"))
table("choose",
      ("make", 'MAKE[0]="make zero"\nMAKE[1]="make one"\nMAKE_MATCH[1]="^6"'), ("make_last", 'MAKE[0]="make zero"\nMAKE[1]="make one"\nMAKE_MATCH[1]="^6"\nMAKE[2]="make two"\nMAKE_MATCH[2]="6"'),
      ("make_none", 'MAKE[0]="make zero"\nMAKE[1]="make one"\nMAKE_MATCH[1]="^5"'), ("make_zero", 'MAKE[0]="make zero"\nMAKE_MATCH[0]="^6"'),
      ("make_without_match", 'MAKE[0]="make zero"\nMAKE[1]="make one"'), ("patch", 'PATCH[0]=one.patch\nPATCH[1]=two.patch\nPATCH_MATCH[1]="^6"'),
      ("patch_not", 'PATCH[0]=one.patch\nPATCH[1]=two.patch\nPATCH_MATCH[1]="^5"'), ("patch_subdirectory", "PATCH[0]=sub/three.patch"),
      ("patch_missing", "PATCH[0]=missing.patch"), ("patch_fails", "PATCH[0]=two.patch"), ("patch_outside", "PATCH[0]=../patches/one.patch"),
      ("patch_list", 'PATCH=(one.patch two.patch)'), ("patch_loop", 'i=0; for p in one two; do PATCH[$i]=$p.patch; ((i++)); done'),
      files={"patches/one.patch": patch("one", "two"), "patches/two.patch": patch("two", "three"), "patches/sub/three.patch": patch("one", "three")})
table("place",
      ("kernel", 'DEST_MODULE_LOCATION[0]="/kernel/drivers/misc/"'), ("extra", "DEST_MODULE_LOCATION[0]=/extra"), ("deep", "DEST_MODULE_LOCATION[0]=/updates/a/b/c"),
      ("up", "DEST_MODULE_LOCATION[0]=/kernel/../updates/"), ("override", 'DEST_MODULE_LOCATION[0]="$(override_dest_module_location /kernel/x)"'),
      ("renamed", "DEST_MODULE_NAME[0]=foo_renamed"), ("built_in", "BUILT_MODULE_LOCATION[0]=sub"), ("built_in_slash", "BUILT_MODULE_LOCATION[0]=sub/"),
      ("built_in_dot", "BUILT_MODULE_LOCATION[0]=./sub/"), ("built_in_up", "BUILT_MODULE_LOCATION[0]=sub/../sub"), ("default_name", "unset BUILT_MODULE_NAME"),
      modules=("foo", "sub/foo"))
table("strip",
      ("default", ""), ("no", "STRIP=no"), ("upper", "STRIP=NO"), ("yes", "STRIP=yes"), ("other", "STRIP=maybe"), ("first_for_all", "STRIP[0]=no\nBUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/updates"),
      ("second", "STRIP[1]=no\nBUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/updates"), ("computed", 'STRIP[0]="$([ -e /no/such ] || echo -n no)"'), modules=("foo", "bar"))
table("obsolete", ("clean", 'CLEAN="make clean"'), ("clean_true", "CLEAN=/bin/true"), ("initrd", "REMAKE_INITRD=yes"), ("modules_conf", 'MODULES_CONF[0]="alias x foo"\nMODULES_CONF_ALIAS_TYPE[0]=eth'),
      ("by", "OBSOLETE_BY=9.0"), ("weak", "NO_WEAK_MODULES=yes"))
table("scripts",
      ("all", "".join(f'{d}="say.sh {d.lower()}"\n' for d in ("POST_ADD", "PRE_BUILD", "POST_BUILD", "PRE_INSTALL", "POST_INSTALL", "POST_REMOVE"))),
      ("arguments", "PRE_BUILD=\"say.sh 'a b' c\"\nPOST_INSTALL='say.sh $kernelver $arch'"), ("subdirectory", "PRE_BUILD=sub/deep.sh\nPOST_INSTALL=./sub/deep.sh"),
      ("missing", "PRE_BUILD=missing.sh\nPOST_INSTALL=missing.sh"), ("not_executable", "PRE_BUILD=plain.txt"), ("fails_before", "PRE_BUILD=fail.sh"),
      ("fails_install", "PRE_INSTALL=fail.sh"), ("fails_later", "POST_INSTALL=fail.sh"), ("up", "POST_BUILD=../../../../../../etc/dkms/hooks/sign\nPRE_BUILD=../source/say.sh"),
      ("patterns", "POST_INSTALL='say.sh te?t tex[t] *.nothing'"), ("operators", "PRE_BUILD='say.sh a && echo said && ./say.sh b'"),
      ("working_directory", "POST_INSTALL=where.sh\nPRE_BUILD=where.sh"), ("environment", "PRE_BUILD=env.sh\nPOST_INSTALL=env.sh"),
      files={"sub/deep.sh": "#!/bin/sh\necho ran deep\n", "fail.sh": "#!/bin/sh\necho ran fail\nexit 7\n", "plain.txt": "x\n",
             "where.sh": "#!/bin/bash\necho ran in $PWD; cd ..; echo ran below $PWD\n",
             "env.sh": "#!/bin/bash\necho ran with $module $module_version $kernelver $arch\n"},
      etc={"hooks/sign": "#!/bin/sh\necho ran hook $#\n"}, commands=("remove foo/1.0 --all",))
table("admin",
      ("conf", ""), ("reads_earlier", 'MAKE="make base"'),
      etc={"foo.conf": 'MAKE="${MAKE:-make none} and-more"\n', "foo-1.0.conf": "DEST_MODULE_NAME[0]=by_admin\n"})
add("admin_scripts", "PRE_BUILD='mine.sh a'\nPOST_INSTALL='mine.sh b'", etc={"foo/mine.sh": "#!/bin/bash\necho ran mine $* in $PWD\n"})
add("admin_patches", "PATCH[0]=one.patch", files={"patches/one.patch": "broken\n"}, etc={"foo/patches/one.patch": patch("one", "admin")})
add("second_kernel", 'case $kernelver in 6.12.*) MAKE="make twelve";; *) MAKE="make other";; esac\nPATCH[0]=one.patch\nPATCH_MATCH[0]="^6\\.12"',
    files={"patches/one.patch": patch("one", "two")}, commands=("build foo/1.0 -k $K2",))
add("no_modules", "", head=ID)

# ---- mistakes ----

table("wrong", ("no_name", "unset PACKAGE_NAME"), ("no_version", 'PACKAGE_VERSION=""'), ("suffix", "BUILT_MODULE_NAME[0]=foo.ko"), ("dest_suffix", "DEST_MODULE_NAME[0]=foo.o"),
      ("no_location", 'DEST_MODULE_LOCATION[0]=""'), ("bad_location", "DEST_MODULE_LOCATION[0]=/usr/lib"), ("boolean", "AUTOINSTALL=maybe"), ("boolean_case", "AUTOINSTALL=YES"),
      ("twice", "BUILT_MODULE_NAME[1]=foo\nDEST_MODULE_LOCATION[1]=/updates"), ("gap", "BUILT_MODULE_NAME[2]=bar\nDEST_MODULE_LOCATION[2]=/updates"), ("not_built", "BUILT_MODULE_NAME[0]=other"),
      ("make_fails", "MAKE='exit 9'"), ("depends", "BUILD_DEPENDS[0]=not_there"), ("rebuild", "BUILD_DEPENDS_REBUILD=sometimes"))
add("wrong_empty", "", raw=True)
