package applets

// scripts are what completion prints, with ASK for completeWord and NAMES for
// the names that it is for.
var scripts = [...]struct{ shell, text string }{
	{"bash", bashScript},
	{"zsh", zshScript},
	{"fish", fishScript},
}

// Bash takes --flag=value for three words, and puts what is chosen in the place
// of the last of them. It knows no text beside a candidate.
const bashScript = `_ocibox() {
	local program=${COMP_WORDS[0]/#\~\//$HOME/} cut= line word words=() i
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((${#words[@]})) && [[ ${words[-1]} == --*= || $word == '=' && ${words[-1]} == --* ]]; then
			words[-1]+=$word
			[[ ${words[-1]} == --*=* ]] && cut=${words[-1]%%=*}=
		else
			words+=("$word")
			cut=
		fi
	done
	word=${words[-1]#"$cut"}
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:files) compopt -o filenames 2>/dev/null; mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word") ;;
		:dirs) compopt -o filenames 2>/dev/null; mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$word") ;;
		*) line=${line%%$'\t'*}; COMPREPLY+=("${line#"$cut"}") ;;
		esac
	done < <("$program" ASK "${words[@]}" 2>/dev/null)
}
complete -F _ocibox NAMES
`

const zshScript = `#compdef NAMES
_ocibox() {
	local line kind=
	local -a candidates
	for line in "${(@f)$("${(Q)words[1]/#\~\//$HOME/}" ASK "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
		case $line in
		'') ;;
		:*) kind=$line ;;
		*) candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
		esac
	done
	(( $#candidates )) && _describe -V ocibox candidates
	[[ $PREFIX == --*=* ]] && compset -P '*='
	case $kind in
	:files) _files ;;
	:dirs) _files -/ ;;
	esac
}
if [[ $funcstack[1] == _ocibox ]]; then
	_ocibox "$@"
else
	compdef _ocibox NAMES
fi
`

const fishScript = `function __ocibox
	set -l words (commandline -opc) (commandline -ct)
	set -l word (string replace -r -- '^--[^=]*=' '' $words[-1])
	set -l before (string sub -l (math (string length -- "$words[-1]") - (string length -- "$word")) -- "$words[-1]")
	for line in (command $words[1] ASK $words[2..-1] 2>/dev/null)
		switch $line
			case :files
				for path in (__fish_complete_path "$word"); echo -- $before$path; end
			case :dirs
				for path in (__fish_complete_directories "$word"); echo -- $before$path; end
			case '*'
				echo -- $line
		end
	end
end
for name in NAMES
	complete -c $name -f -a '(__ocibox)'
end
`
