# bash completion of leasewatch, pyvirt and nss-pyvirt: they know best what may follow.
_nss_pyvirt()
{
    mapfile -t COMPREPLY < <(
        _NSS_PYVIRT_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null
    )
    case ${COMPREPLY[0]-} in
        :files)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$2")
            ;;
        :folders)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "$2")
            ;;
        *=) [[ ${#COMPREPLY[@]} -gt 1 ]] || compopt -o nospace ;;
    esac
}
complete -o nosort -F _nss_pyvirt leasewatch pyvirt nss-pyvirt
