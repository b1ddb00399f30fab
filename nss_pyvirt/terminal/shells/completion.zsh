#compdef leasewatch pyvirt nss-pyvirt
# zsh completion of leasewatch, pyvirt and nss-pyvirt: they know best what may follow.
_nss_pyvirt() {
    local line
    local -a lines values shown open
    lines=(${(f)"$(_NSS_PYVIRT_COMPLETE=zsh ${(Q)words[1]} "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
    case ${lines[1]} in
        (:files) _files; return ;;
        (:folders) _files -/; return ;;
    esac
    for line in $lines; do
        if [[ ${line%%$'\t'*} == *= ]]; then
            open+=(${line%%$'\t'*})
        else
            values+=(${line%%$'\t'*})
            shown+=(${line/$'\t'/  -- })
        fi
    done
    compadd -V nss-pyvirt -d shown -a values
    compadd -V nss-pyvirt -S '' -a open
}
if [[ ${funcstack[1]} == _nss_pyvirt || ${funcstack[1]} == _leasewatch ]]; then
    _nss_pyvirt "$@"
else
    compdef _nss_pyvirt leasewatch pyvirt nss-pyvirt
fi
