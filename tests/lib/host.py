"""Files of the machine that runs dkms, for tests that work in another root."""


def with_etc(directory):
    """The beginning of a command line whose command sees the files in @directory in /etc, beside those of the machine or instead of them."""
    return ["unshare", "-m", "sh", "-c", 'mount -t overlay -o "lowerdir=$0:/etc" overlay /etc && exec "$@"', str(directory)]
