# fish completion of leasewatch, pyvirt and nss-pyvirt: they know best what may follow.
function __nss_pyvirt_complete
    set -l typed (commandline -opc)
    set -l last (commandline -ct)
    set -l program $typed[1]
    set -e typed[1]
    set -l found (env _NSS_PYVIRT_COMPLETE=fish $program $typed "$last" 2>/dev/null)
    switch "$found[1]"
        case :files
            __fish_complete_path "$last"
        case :folders
            __fish_complete_directories "$last"
        case '*'
            test -z "$found[1]"; or printf '%s\n' $found
    end
end
for program in leasewatch pyvirt nss-pyvirt
    complete -c $program -f -k -a '(__nss_pyvirt_complete)'
end
