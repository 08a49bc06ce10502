"""Models with a history: what a version holds, how versions are kept under git and DVC, and how they differ.

A version is immutable. Its files are those of FATE's layout, one folder per party of the site, in one folder ``model``
that DVC tracks; its commit in the site's git repository names them by hash, and its parents there are its parents in
the registry. Branches and tags of the repository are those of the registry, and the gateway's database is what decides:
:mod:`fate_federated.gateway.model_coordinator` changes it at all parties or at none, and the repository follows. So a
repository that somebody edited by hand is put right again from the database, and the gateway never touches what a
person has checked out.

``names``           what branches, tags and models may be called
``layout``          FATE's files of one party's part of a version
``version_files``   those files, put together from what tasks left
``objects``         the files under DVC, in process
``repository``      git beside it; ``new_repository`` makes both
``history``         the tree of versions, and its drawing
``diff``            in what two versions differ
``archive``         FATE 1.x's zip
``tables``          what a version says of the tables it was trained on
"""
