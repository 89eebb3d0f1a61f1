"""The real program against real servers; every case runs on Prosody and on ejabberd."""
