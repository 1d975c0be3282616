-- title: Days with data
-- about: The days of the school that the store has something of, the latest first.
-- parameters: school String
SELECT
    c.day AS day,
    sumIf(c.value, c.metric = 'packets') AS packets
FROM schoolgate.coverage AS c
WHERE c.school = {school:String} AND c.metric IN ('packets', 'slices')
GROUP BY day
HAVING sum(c.value) > 0
ORDER BY day DESC
