#compdef leasewatch pyvirt nss-pyvirt
# zsh completion of leasewatch, pyvirt and nss-pyvirt: they know best what may follow.
_nss_pyvirt() {
    local line value about
    local -i width=0
    local -a lines values shown open
    lines=(${(f)"$(_NSS_PYVIRT_COMPLETE=zsh ${(Q)words[1]} "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
    case ${lines[1]} in
        (:files) _files; return ;;
        (:folders) _files -/; return ;;
    esac
    for line in $lines; do
        value=${line%%$'\t'*}
        (( ${#value} > width )) && width=${#value}
    done
    for line in $lines; do
        value=${line%%$'\t'*}
        about=${line#$value}
        if [[ $value == *= ]]; then
            open+=($value)
        else
            values+=($value)
            shown+=("${(r:width:)value}${about/$'\t'/  -- }")
        fi
    done
    compadd -V nss-pyvirt -d shown -a values
    compadd -V nss-pyvirt -S '' -a open
}
if [[ ${funcstack[1]} == _nss_pyvirt ]]; then
    _nss_pyvirt "$@"
else
    compdef _nss_pyvirt leasewatch pyvirt nss-pyvirt
fi
