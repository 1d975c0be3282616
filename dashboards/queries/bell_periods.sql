-- title: Bell periods
-- about: The periods of each day's main bell schedule from one day to another, from the first bell to the last, with the letter of the week.
-- parameters: school String, from Date, to Date
SELECT
    b.start AS time,
    b.end AS timeEnd,
    if(b.week = '', toString(b.slot), concat(toString(b.slot), ' (week ', toString(b.week), ')')) AS text,
    b.kind AS tags
FROM schoolgate.bell AS b FINAL
WHERE b.school = {school:String} AND b.day >= {from:Date} AND b.day <= {to:Date} AND b.kind NOT IN ('before', 'after')
ORDER BY time, text
