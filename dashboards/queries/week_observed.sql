-- title: Observed part of the school day
-- about: For each school day its letter of the week, its first and last bell, and how many of the five minutes between them were observed.
-- parameters: school String, from Date, to Date
SELECT
    b.day AS day,
    b.week AS week,
    b.first AS first,
    b.last AS last,
    arrayCount(start -> start >= b.first AND start < b.last, c.starts) AS fives
FROM
(
    SELECT r.day AS day, any(r.week) AS week, min(r.start) AS first, max(r.end) AS last
    FROM schoolgate.bell AS r FINAL
    WHERE r.school = {school:String} AND r.day >= {from:Date} AND r.day <= {to:Date} AND r.kind NOT IN ('before', 'after')
    GROUP BY day
) AS b
ALL LEFT JOIN
(
    SELECT s.day AS day, groupUniqArray(s.start) AS starts
    FROM schoolgate.coverage AS s
    WHERE s.school = {school:String} AND s.day >= {from:Date} AND s.day <= {to:Date} AND s.metric IN ('packets', 'slices') AND s.value > 0
    GROUP BY day
) AS c USING (day)
ORDER BY day
