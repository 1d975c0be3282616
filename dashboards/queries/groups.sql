-- title: Groups of staff
-- about: The groups of staff that the store keeps minutes of from one day to another: all, and groups of ten people or more.
-- parameters: school String, from Date, to Date
SELECT
    u.people AS people
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date} AND u.level = 'all'
GROUP BY people
ORDER BY people != 'all', people
