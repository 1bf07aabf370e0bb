"""The past of a collection, for as long as it is kept: what is noted for it, and how it is read.

What died stays where it stands (groups and rows, with the tombstones that say when), so nothing is copied and nothing
that is alive is touched. Settings of the collection note what would be forgotten otherwise; their names begin with
``collection <number> lane <number>``, so that they go with it::

    history                     since which commit nothing was forgotten, and from when on times are known
    commit <sequence>           when it was made, and how many records came, went and changed
    past <record> <sequence>    what had changed in place by that commit, once a later one changed it again
    died <record>               the commit, of a record without rows, or one that compaction moved when it was dead
    lost                        a commit that forgot what no tombstone tells, where no history is kept

Records have twenty digits, and so have commits, so that their order is that of the names.
"""
