# SPDX-License-Identifier: GPL-2.0-or-later
# Evaluates dkms.conf and framework.conf files. They are not evaluated anywhere else.
#
# Arguments: FD NAMES DEPRECATED, then per query: ID DIR NASSIGN NAME=VALUE... NFILES FILE GIVEN...
#   DIR                 working directory of the evaluation
#   FILE GIVEN          a file, and the number of a descriptor with its text, empty if bash reads FILE itself; NFILES
#                       counts both
# Answer on FD, every field ended by a NUL:
#   B ID PID            a query begins, in process (group) PID
#   U ID INDEX          instead of all others: file INDEX (from 0) cannot be read here
#   O FILE NAME VALUE   FILE left the deprecated directive NAME set
#   V NAME INDEX VALUE  one element of a directive; if NAME begins with =: whether the regular expression in it matches
#                       the kernel or architecture of the query, 1 or 0
#   D                   all elements of this query were returned
#   E ID STATUS         the process of the query has terminated
#   Z                   no more queries
# Standard input is empty and writable. It replaces /dev/null, which the root of an image may lack.
# Each query runs in a process of its own, so that a recipe can only change its own shell. Commands that are used after a
# recipe are keywords, or functions of that name are deleted first.

__dkms_fd=$1 __dkms_names=$2 __dkms_deprecated=$3
shift 3
readonly __dkms_fd __dkms_names __dkms_deprecated
unset -v $__dkms_names $__dkms_deprecated

# Restores the shell after a file may have changed it.
__dkms_tame () {
  POSIXLY_CORRECT=1 # now special builtins have precedence over functions ...
  unset -f printf eval read set unset wait local
  set +eufvx +o posix # ... and functions that hide the others can be deleted
  IFS=$' \t\n'
}

__dkms_after_file () {
  __dkms_tame
  local __dkms_n __dkms_v
  for __dkms_n in ${!DKMS_DIRECTIVE@}; do
    __dkms_v=${!__dkms_n}
    case " $__dkms_names " in
      *" ${__dkms_v%%=*} "*) [[ $__dkms_v == *=* ]] && printf -v "${__dkms_v%%=*}" %s "${__dkms_v#*=}" ;;
    esac
  done
  __dkms_find_deprecated
  for __dkms_n in "${__dkms_l[@]}"; do
    printf 'O\0%s\0%s\0%s\0' "$1" "$__dkms_n" "${!__dkms_n}" >&$__dkms_fd
  done
  unset -v $__dkms_deprecated
}

# An expression can use all memory and time, so it is tried here and not in dkms. As in the reference, each run of white
# space is one blank.
__dkms_match () {
  local __dkms_e=${__dkms_v//[$'\t\n']/ } __dkms_m=0
  while [[ $__dkms_e == *'  '* ]]; do
    __dkms_e=${__dkms_e//  / }
  done
  [[ $1 =~ $__dkms_e ]] 2>&0 && __dkms_m=1
  __dkms_r+=(V "=$__dkms_n" "$__dkms_k" "$__dkms_m")
}

# Appends the element __dkms_k of the directive __dkms_n, whose value is __dkms_v, to the fields of the answer.
__dkms_add () {
  __dkms_v=${__dkms_v%$'\r'}
  # Text in single quotes is expanded once more, as between double quotes, and not split.
  case $__dkms_v in
    *[\$\`\\]*)
      eval "IFS= read -r -d '' __dkms_v <<__DKMS_END_OF_VALUE__
$__dkms_v
__DKMS_END_OF_VALUE__
"
      __dkms_v=${__dkms_v%$'\n'} ;;
  esac
  __dkms_r+=(V "$__dkms_n" "$__dkms_k" "$__dkms_v")
  case $__dkms_n in
    BUILD_EXCLUSIVE_KERNEL|MAKE_MATCH|PATCH_MATCH) __dkms_match "$__dkms_kernelver" ;;
    BUILD_EXCLUSIVE_ARCH) __dkms_match "$__dkms_arch" ;;
  esac
}

# Returns all values of the query. They are written at once: dkms wakes up for each write.
__dkms_report () {
  __dkms_r=()
  __dkms_find
  for __dkms_n in "${__dkms_l[@]}"; do
    eval "__dkms_i=(\"\${!$__dkms_n[@]}\")"
    for __dkms_k in "${__dkms_i[@]}"; do
      eval "__dkms_v=\${$__dkms_n[__dkms_k]}"
      __dkms_add
    done
  done
  printf '%s\0' "${__dkms_r[@]}" D
}

# Makes __dkms_find and __dkms_find_deprecated, which list the names in __dkms_names and __dkms_deprecated that have
# elements. They are made once, because each query would have to parse the names otherwise.
__dkms_make () {
  local name names= deprecated=
  for name in $__dkms_names; do names+=" \${$name[*]+$name}"; done
  for name in $__dkms_deprecated; do deprecated+=" \${$name[*]+$name}"; done
  eval "__dkms_find () { __dkms_l=($names); }
  __dkms_find_deprecated () { __dkms_l=($deprecated); }"
}
__dkms_make

# For a text from a descriptor, without /proc.
__dkms_eval () {
  IFS= read -r -d '' __dkms_text <&"$1"
  shift
  eval "$__dkms_text"
}

# Evaluates the files and returns the values. This is one function without positional parameters, so that local variables
# of a recipe exist until its end. In a text from a descriptor, BASH_SOURCE, which cannot be set, is replaced by
# __dkms_source.
__dkms_answer () {
  while [[ ${#__dkms_files[@]} -gt 0 ]]; do
    __dkms_file=${__dkms_files[0]} __dkms_given=${__dkms_files[1]}
    __dkms_files=("${__dkms_files[@]:2}")
    __dkms_source=("$__dkms_file")
    if [[ ! $__dkms_given ]]; then
      . "$__dkms_file" || :
    elif [[ -r /proc/self/fd/$__dkms_given ]]; then
      . "/proc/self/fd/$__dkms_given" || :
    else
      __dkms_eval "$__dkms_given" || :
    fi
    __dkms_after_file "$__dkms_file"
  done
  __dkms_report >&$__dkms_fd
}
readonly -f __dkms_tame __dkms_match __dkms_add __dkms_after_file __dkms_find __dkms_find_deprecated __dkms_report __dkms_eval __dkms_answer

# Prints the module directory of this distribution or, without one, that of the recipe.
override_dest_module_location () { echo "${__dkms_destination:-$1}"; }

# Every query gets a process group of its own, so that it can be killed with all its children. Parentheses cannot be used:
# bash would replace the shell by the last command of a file such as "A=1; true", and no values would be returned.
set -m
while [[ $# -gt 0 ]]; do
  __dkms_id=$1 __dkms_dir=$2 __dkms_na=$3
  __dkms_assign=("${@:4:__dkms_na}")
  shift $((3 + __dkms_na))
  __dkms_files=("${@:2:$1}")
  shift $((1 + $1))
  {
    set +m
    for ((__dkms_i = 0; __dkms_i < ${#__dkms_files[@]}; __dkms_i += 2)); do
      if [[ ! ${__dkms_files[__dkms_i + 1]} && ! -r ${__dkms_files[__dkms_i]} ]]; then
        printf 'U\0%s\0%s\0' "$__dkms_id" "$((__dkms_i / 2))" >&$__dkms_fd
        exit
      fi
    done
    printf 'B\0%s\0%s\0' "$__dkms_id" "$BASHPID" >&$__dkms_fd
    for __dkms_a in "${__dkms_assign[@]}"; do
      printf -v "${__dkms_a%%=*}" %s "${__dkms_a#*=}"
    done
    __dkms_kernelver=$kernelver __dkms_arch=$arch
    cd -- "$__dkms_dir" 2>&0 || cd /
    __dkms_answer
  } <&0 >&0 &
  __dkms_pid=$!
  wait "$__dkms_pid" 2>&0
  printf 'E\0%s\0%s\0' "$__dkms_id" "$?" >&$__dkms_fd
done 
printf 'Z\0' >&$__dkms_fd
