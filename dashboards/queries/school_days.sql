-- title: School days
-- about: The days from one to another on which bells rang, with the letter of their week.
-- parameters: school String, from Date, to Date
SELECT
    b.day AS day,
    any(b.week) AS week
FROM schoolgate.bell AS b FINAL
WHERE b.school = {school:String} AND b.day >= {from:Date} AND b.day <= {to:Date} AND b.kind NOT IN ('before', 'after')
GROUP BY day
ORDER BY day
