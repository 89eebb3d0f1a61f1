"""The scripts that teach bash, zsh and fish to ask `xmppctl.cli.complete`.

Each hands over the command line up to the cursor and gets lines of kind, word and help, separated by tabs: `plain`
is a word, `open` one that goes on without a space, `file` and `dir` are the shell's own to complete.
"""

from __future__ import annotations

from typing import Final

_BASH: Final = r"""# xmppctl in bash. Put this where bash-completion looks, or: eval "$(xmppctl completion bash)"

_xmppctl_completion() {
    local kind word help answer
    COMPREPLY=()
    answer=$(_XMPPCTL_COMPLETE=bash_complete _XMPPCTL_WORD=$2 \
        COMP_WORDS=${COMP_LINE:0:COMP_POINT} "${1/#\~\//$HOME/}" 2>/dev/null)
    while IFS=$'\t' read -r kind word help; do
        case $kind in
            plain) COMPREPLY+=("$word") ;;
            open) COMPREPLY+=("$word"); compopt -o nospace 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            dir) compopt -o dirnames 2>/dev/null ;;
        esac
    done <<< "$answer"
}

complete -o nosort -F _xmppctl_completion xmppctl 2>/dev/null || complete -F _xmppctl_completion xmppctl
"""

_ZSH: Final = r"""#compdef xmppctl
# xmppctl in zsh. Put this in a directory of $fpath as _xmppctl, or: eval "$(xmppctl completion zsh)"

_xmppctl() {
    local kind word help
    local -a plain open
    while IFS=$'\t' read -r kind word help; do
        case $kind in
            plain) plain+=("${word//:/\\:}${help:+:$help}") ;;
            open) open+=("$word") ;;
            file) [[ $PREFIX == --*=* ]] && compset -P '*='; _files ;;
            dir) [[ $PREFIX == --*=* ]] && compset -P '*='; _files -/ ;;
        esac
    done <<< "$(_XMPPCTL_COMPLETE=zsh_complete COMP_WORDS="${words[1,CURRENT-1]} $PREFIX" \
        ${~${(Q)words[1]}} 2>/dev/null)"
    (( $#plain )) && _describe -V xmppctl plain
    (( $#open )) && compadd -S '' -a open
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _xmppctl "$@"
else
    compdef _xmppctl xmppctl
fi
"""

_FISH: Final = r"""# xmppctl in fish. Put this in ~/.config/fish/completions, or: xmppctl completion fish | source

function __xmppctl_complete
    set -l token (commandline -ct)
    set -l value (string replace -r '^--[^=]*=' '' -- "$token")
    set -l option (string match -r '^--[^=]*=' -- "$token")
    set -l line (commandline -cp | string join ' ')
    for answer in (env _XMPPCTL_COMPLETE=fish_complete COMP_WORDS="$line" xmppctl 2>/dev/null)
        set -l field (string split \t -- $answer)
        switch $field[1]
            case plain open
                printf '%s\t%s\n' "$field[2]" "$field[3]"
            case file
                for path in (__fish_complete_path "$value")
                    echo "$option$path"
                end
            case dir
                for path in (__fish_complete_directories "$value")
                    echo "$option$path"
                end
        end
    end
end

complete -c xmppctl -f -k -a '(__xmppctl_complete)'
"""

#: The shell's name -> its script.
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
