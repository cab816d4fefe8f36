# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for dkms. What there is to say, dkms says itself: see dkms_complete_main() in its sources.

_dkms ()
{
  local program=$1 i word description begun files='' named
  local -a words=()

  # The name as typed, unless that is none of a program (an alias, or a user without /usr/sbin in PATH).
  type -P -- "$program" >/dev/null || program=/usr/sbin/dkms
  # bash takes --option=value and 1:2.0 apart.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} == [=:] || ( $i -gt 1 && ${COMP_WORDS[i-1]} == [=:] ) ]] && ((${#words[@]})); then
      words[${#words[@]} - 1]+=${COMP_WORDS[i]}
    else
      words+=("${COMP_WORDS[i]}")
    fi
  done
  begun=${words[${#words[@]} - 1]}

  COMPREPLY=()
  while IFS=$'\t' read -r word description; do
    case $word in
      :files) files=-f ;;
      :directories) files=-d ;;
      --*=*) COMPREPLY+=("${word#*=}") ;;
      *) COMPREPLY+=("$word") ;;
    esac
  done < <("$program" --complete "${words[@]}" 2>/dev/null </dev/null)
  if [[ $files ]]; then
    # Among modules "foo/1.0" would be listed as the file "1.0": then directories are marked here.
    named=${#COMPREPLY[@]}
    ((named)) || compopt -o filenames
    while read -r word; do
      if ((named)) && [[ -d $word ]]; then word+=/; fi
      COMPREPLY+=("$word")
    done < <(compgen "$files" -- "${begun#--*=}")
  fi
  # What stands before the last colon is a word of its own for bash, and stays.
  begun=${begun#--*=}
  if [[ $begun == *:* && $COMP_WORDBREAKS == *:* ]]; then
    begun=${begun%"${begun##*:}"}
    COMPREPLY=("${COMPREPLY[@]#"$begun"}")
  fi
}
complete -F _dkms dkms
