"""All checks of a store, what each needs to be declared, and the one call that runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from vicinal.testing.demand import require
from vicinal.testing.store import changing, keeping, sharing
from vicinal.testing.store.protocol import CAPABILITIES, OpenStore
from vicinal.testing.store.worlds import new_place, opened

StoreCheck: TypeAlias = Callable[[OpenStore], None]

STORE_CHECKS: tuple[StoreCheck, ...] = (
    keeping.check_a_new_store_is_empty,
    keeping.check_a_store_is_made_only_when_asked_for,
    keeping.check_empty_in_empty_out_of_a_store,
    keeping.check_acknowledged_is_there_after_reopening,
    keeping.check_acknowledged_is_seen_by_another_opening,
    keeping.check_records_come_back_as_given,
    keeping.check_ids_of_any_unicode_are_told_apart,
    keeping.check_vectors_come_back_bit_for_bit,
    keeping.check_many_records_come_back,
    keeping.check_a_failed_write_changes_nothing,
    keeping.check_a_refused_write_changes_nothing,
    keeping.check_a_refused_call_leaves_the_rest_of_its_write,
    keeping.check_two_spaces_never_meet,
    keeping.check_a_collection_keeps_what_it_was_made_with,
    keeping.check_collections_are_apart,
    keeping.check_settings_survive,
    keeping.check_canaries_and_projections_survive,
    keeping.check_a_closed_store_is_closed,
    changing.check_upsert_replaces_whole_records,
    changing.check_deleted_is_gone_everywhere,
    changing.check_absent_ids_are_no_error,
    changing.check_delete_by_rows_deletes_whole_records,
    changing.check_fields_change_and_vectors_stay,
    changing.check_relabelling_leaves_text_and_vectors,
    changing.check_origins_are_found_by_folder,
    changing.check_ids_come_in_order,
    changing.check_counts_are_those_of_the_records,
    changing.check_chunks_are_found_by_their_rows,
    changing.check_a_write_reads_itself,
    changing.check_inputs_are_not_modified_by_a_store,
    changing.check_the_sequence_only_grows,
    changing.check_random_steps_agree_with_a_dictionary,
    sharing.check_a_second_writer_waits_or_is_told,
    sharing.check_no_write_of_many_threads_is_lost,
    sharing.check_threads_share_a_store,
    sharing.check_a_snapshot_does_not_move,
    sharing.check_read_only_refuses_writes,
    sharing.check_compaction_changes_no_answer,
    sharing.check_the_dead_stay_dead_after_compaction,
    sharing.check_a_view_is_of_the_living_rows,
    sharing.check_the_feed_leads_from_any_commit_to_the_last,
    sharing.check_texts_and_fields_follow_the_rows,
)
STORE_NEEDS: Mapping[StoreCheck, str] = {
    sharing.check_threads_share_a_store: "snapshot",
    sharing.check_a_snapshot_does_not_move: "snapshot",
    sharing.check_read_only_refuses_writes: "read_only",
    sharing.check_compaction_changes_no_answer: "compact",
    sharing.check_the_dead_stay_dead_after_compaction: "compact",
    sharing.check_a_view_is_of_the_living_rows: "mmap",
    sharing.check_the_feed_leads_from_any_commit_to_the_last: "feed",
    sharing.check_texts_and_fields_follow_the_rows: "feed",
}
"""What a store must declare in ``can`` for a check to be asked of it; all others are asked of every store."""


def check_store(open_store: OpenStore) -> dict[str, str]:
    """Run every check of a store that it declares to be able to keep.

    Parameters
    ----------
    open_store : callable
        ``Store.open``, or what opens a store of yours: see ``OpenStore``.

    Returns
    -------
    dict of str to str
        The checks that were left out → the capability that the store does not declare.

    Raises
    ------
    AssertionError
        The store breaks the contract; the message says where.

    Notes
    -----
    Cost: some 350 commits, and as many reads of a few records; 4 s for the embedded store.
    """
    can = declared(open_store)
    skipped = {}
    for check in STORE_CHECKS:
        needed = STORE_NEEDS.get(check)
        if needed is not None and needed not in can:
            skipped[check.__name__] = needed
        else:
            check(open_store)
    return skipped


def declared(open_store: OpenStore) -> frozenset[str]:
    """Return what a store declares to be able to do.

    Raises
    ------
    AssertionError
        It declares none of what it has, which would leave out half of the checks in silence.
    """
    with new_place() as place, opened(open_store, place) as store:
        can = store.can
    require(isinstance(can, frozenset), "can must be a frozenset of names")
    for name, method in (("compact", "compact"), ("mmap", "view")):
        has = hasattr(store, method)
        require(
            has == (name in can),
            f"a store that has {method}() must declare {name!r}, and none else: {CAPABILITIES[name]}",
        )
    return can
