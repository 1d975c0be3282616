-- title: Stored windows, by day
-- about: How many five-minute windows of each day the store holds, of 288, and how long after its end a window was stored, in the middle and at most.
-- parameters: school String, zone String, from Date, to Date
SELECT
    toDate(b.window, {zone:String}) AS day,
    uniqExact(b.window) AS windows,
    windows / 288 AS stored_share,
    quantileExact(0.5)(toUInt32(b.stored) - toUInt32(b.window) - 300) AS delay,
    max(toUInt32(b.stored) - toUInt32(b.window) - 300) AS longest
FROM schoolgate.batch AS b
WHERE b.school = {school:String}
    AND b.window >= toDateTime({from:Date}, {zone:String}) AND b.window < toDateTime({to:Date} + 1, {zone:String})
GROUP BY day
ORDER BY day
