# xmppctl in fish. Put this in ~/.config/fish/completions, or: xmppctl completion fish | source

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
