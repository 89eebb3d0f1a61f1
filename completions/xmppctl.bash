# xmppctl in bash. Put this where bash-completion looks, or: eval "$(xmppctl completion bash)"

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
