-- title: Bells, by day
-- about: The bell periods of each day from one day to another, with the letter of the week, and the time before and after them.
-- parameters: school String, from Date, to Date
SELECT
    b.day AS day,
    b.slot AS slot,
    b.kind AS kind,
    b.start AS time,
    b.end AS timeEnd,
    b.week AS week
FROM schoolgate.bell AS b FINAL
WHERE b.school = {school:String} AND b.day >= {from:Date} AND b.day <= {to:Date}
ORDER BY day, time, slot
