-- By itself: who makes an index lets others read and keeps them from writing, and may not then wait for all of them to end.
DROP INDEX recording_of_call;
