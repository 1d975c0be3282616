-- title: Stored windows of the day
-- about: How many five-minute windows of the day the store holds, the first and last of them, and when the last one was written.
-- parameters: school String, zone String, day Date
SELECT
    uniqExact(b.window) AS windows,
    min(b.window) AS first,
    max(b.window) AS last,
    max(b.stored) AS written
FROM schoolgate.batch AS b
WHERE b.school = {school:String} AND toDate(b.window, {zone:String}) = {day:Date}
