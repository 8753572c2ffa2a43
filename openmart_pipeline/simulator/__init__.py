"""The stand-in for the Openmart API: one behaviour, served by a process of its own over a real socket.

Here lives what `openmart-api.md` promises and what it warns of, with an account of all that was charged.
Nothing here imports the client or any other package of the project: a mistake of ours must not be able to hide in
its own mirror.
"""
