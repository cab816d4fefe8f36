# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for dkms. What there is to say, dkms says itself: see dkms_complete_main() in its sources.

function __dkms_complete
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l begun (commandline --current-token --cut-at-cursor)
    set -l program $words[1]
    command --query -- $program; or set program /usr/sbin/dkms
    for line in ($program --complete $words[2..-1] "$begun" 2>/dev/null </dev/null)
        switch $line
            case :files
                __fish_complete_path (string replace --regex -- '^--[a-z]+=' '' "$begun")
            case :directories
                __fish_complete_directories (string replace --regex -- '^--[a-z]+=' '' "$begun")
            case '*'
                echo $line
        end
    end
end

complete --command dkms --no-files --arguments '(__dkms_complete)'
