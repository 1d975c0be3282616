-- title: Bells of the day
-- about: The periods of the day's main bell schedule from the first bell to the last, with the letter of the week.
-- parameters: school String, day Date
SELECT
    b.start AS time,
    b.end AS timeEnd,
    b.slot AS slot,
    b.kind AS kind,
    b.week AS week
FROM schoolgate.bell AS b FINAL
WHERE b.school = {school:String} AND b.day = {day:Date} AND b.kind NOT IN ('before', 'after')
ORDER BY time, slot
